# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Labelled data sets, read once for training and for evaluation: CamVid, Cityscapes, and maps between class sets."""
