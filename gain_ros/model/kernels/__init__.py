# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""GPU kernels in Triton, each held to a plain PyTorch form. Importing this needs triton; nothing else here does.

criss_cross.py   one pass of criss-cross attention in two launches
pixels.py        camera bytes → normalised planes; the head's logits → class ids and confidence
form.py          the deployment form made of them
"""

from gain_ros.model.kernels.criss_cross import fused_attend, use_fused_attention
from gain_ros.model.kernels.form import FusedForm
from gain_ros.model.kernels.pixels import label_map, normalise

__all__ = ["FusedForm", "fused_attend", "label_map", "normalise", "use_fused_attention"]
