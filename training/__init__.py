# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Train GAIN and package the result as a model folder.

Run ``python -m training fit --config training/configs/camvid_nano.yaml``.
"""
