# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""GPU kernels in Triton, each held to a plain PyTorch form. Importing this needs triton; nothing else here does.

criss_cross.py   one pass of criss-cross attention in two launches
pixels.py        camera bytes → normalised planes; the head's logits → class ids and confidence
form.py          the deployment form made of them
"""

from gain_ros.model.kernels.criss_cross import fused_attend, use_fused_attention
from gain_ros.model.kernels.form import FusedForm
from gain_ros.model.kernels.pixels import label_map, normalise

__all__ = ["FusedForm", "fused_attend", "label_map", "normalise", "use_fused_attention"]
