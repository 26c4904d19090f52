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

"""Networks as they look after training: batch norm statistics moved, gates open, attention sharp.

Shared by the tests of several rooms.
"""

from __future__ import annotations

import torch
from torch import nn

from gain_ros.model import GAI, GAIN, build

PUBLISHED_FORMS = [
    ("gain_nano", {}),
    ("gain_r18", {}),
    ("gain_r18", {"context": "", "fuse_3x3": False, "dilation": 1}),
    ("gain_r18", {"context": "ppm"}),
    ("gain_df2", {}),
    ("gain_df2", {"context": ""}),
]


def trained_like(architecture: str = "gain_nano", classes: int = 11, **options) -> GAIN:
    """A network with random weights in eval mode whose every part shows in the output."""
    torch.manual_seed(0)
    model = build(architecture, classes, **options)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            shake_batch_norm(module)
        if isinstance(module, GAI):
            sharpen(module)
    return model.eval().requires_grad_(False)


def shake_batch_norm(norm: nn.BatchNorm2d) -> None:
    norm.running_mean.normal_(0, 0.2)
    norm.running_var.uniform_(0.5, 1.5)
    nn.init.uniform_(norm.weight, 0.5, 1.5)
    nn.init.normal_(norm.bias, 0, 0.2)


def sharpen(gai: GAI, gamma: float = 0.7) -> None:
    """Open the gate and scale the keys up, so that the attention is far from uniform."""
    nn.init.constant_(gai.gamma, gamma)
    for conv in (gai.to_q, gai.to_k):
        nn.init.normal_(conv.weight, 0, 0.6)
        nn.init.normal_(conv.bias, 0, 0.5)
