# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
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
