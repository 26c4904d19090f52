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

"""Graphs: exported from a model, rewritten for an engine, quantised. Never on a frame's way."""

from gain_ros.privacy import silence

silence()  # the quantiser loads ONNX Runtime

FORMAT = 3
"""Of the graphs made here, and part of the names under which they are kept: count it up when the same model, precision
and calibration pictures come to give another graph, so that engines are built anew. int8 graphs then ask for their
pictures again.
"""

INPUTS = {"labels": "frames", "logits": "images"}
OUTPUTS = {"labels": ("labels", "confidence"), "logits": ("logits",)}
"""What graphs take and give, by form: "logits" is what a model folder holds, "labels" is put together from it."""
