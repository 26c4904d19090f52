# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Graphs: exported from a model, rewritten for an engine, quantised. Never on a frame's way."""

from gain_ros.privacy import silence

silence()  # the quantiser loads ONNX Runtime

FORMAT = 2
"""Of the graphs made here, and part of the names under which they are kept: count it up when the same model, precision
and calibration pictures come to give another graph, so that engines are built anew. int8 graphs then ask for their
pictures again.
"""
