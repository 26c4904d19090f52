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

"""Every check, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Callable

from gain_ros.doctor.caches import check_caches
from gain_ros.doctor.engines import check_engines
from gain_ros.doctor.finding import Finding
from gain_ros.doctor.gpu import check_gpu
from gain_ros.doctor.loopback import check_loopback
from gain_ros.doctor.models import check_models
from gain_ros.doctor.ros import check_ros
from gain_ros.doctor.tensorrt import check_tensorrt

CHECKS: tuple[Callable[[], Finding], ...] = (
    check_ros,
    check_engines,
    check_gpu,
    check_tensorrt,
    check_models,
    check_caches,
    check_loopback,
)
