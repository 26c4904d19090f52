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

"""The parameter table, and that config/segmentation.yaml says the same."""

from pathlib import Path

import pytest
import yaml

from gain_ros.node.parameters import PARAMETERS, Taken, camera_names, refusal

CONFIG = Path(__file__).resolve().parents[2] / "config" / "segmentation.yaml"
DEFAULTS = {spec.name: spec.default for spec in PARAMETERS}


def test_the_yaml_file_has_every_parameter_at_its_default():
    written = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["/**"]["ros__parameters"]
    assert written == DEFAULTS
    assert {name: type(value) for name, value in written.items()} == {n: type(v) for n, v in DEFAULTS.items()}


@pytest.mark.parametrize("spec", PARAMETERS, ids=lambda spec: spec.name)
def test_the_yaml_file_says_what_each_parameter_means(spec):
    comment = []
    for line in CONFIG.read_text(encoding="utf-8").splitlines():
        if line.strip().startswith(f"{spec.name}:"):
            break
        comment = [*comment, line.strip()[2:]] if line.strip().startswith("# ") else []
    bounds = "" if spec.minimum is None else f" Range {spec.minimum} to {spec.maximum}."
    assert " ".join(comment) == f"({spec.taken.name.lower()}) {spec.description}{bounds}"


@pytest.mark.parametrize(("name", "value"), DEFAULTS.items())
def test_defaults_are_accepted(name, value):
    assert refusal(name, value, configured=False) is None


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("model", "  ", "expected the name"),
        ("engine", "abacus", "expected one of auto, onnxruntime"),
        ("device", "tpu", "expected one of auto, cpu, cuda"),
        ("transport", "theora", "expected one of raw, compressed"),
        ("fit", "zoom", "expected one of model, stretch, letterbox, crop, area"),
        ("roi", [0.0, 0.0, 640.0, 480.0], "expected x, y, width, height as fractions"),
        ("cameras", ["front", "2nd"], "2nd"),
        ("cameras", ["front/left"], "front/left"),
        ("cameras", ["front", "front"], "each name once"),
    ],
)
def test_wrong_values_are_refused_with_what_is_expected(name, value, said):
    assert said in refusal(name, value, configured=False)


@pytest.mark.parametrize("spec", PARAMETERS, ids=lambda spec: spec.name)
def test_what_is_in_use_cannot_change(spec):
    reason = refusal(spec.name, spec.default, configured=True)
    assert (reason is not None) == (spec.taken is Taken.CONFIGURE)


def test_parameters_of_others_are_left_alone():
    assert refusal("use_sim_time", True, configured=True) is None


@pytest.mark.parametrize(("value", "names"), [([""], ("",)), ([], ("",)), (["a", "b"], ("a", "b"))])
def test_camera_names(value, names):
    assert camera_names(value) == names


def test_descriptors_carry_type_range_text_and_read_only():
    descriptors = {spec.name: spec.descriptor() for spec in PARAMETERS}
    assert descriptors["threads"].integer_range[0].to_value == 1024
    assert descriptors["overlay_alpha"].floating_point_range[0].to_value == 1.0
    assert not descriptors["autostart"].integer_range
    assert [name for name, descriptor in descriptors.items() if descriptor.read_only] == ["autostart"]
    assert all(descriptor.description and descriptor.additional_constraints for descriptor in descriptors.values())
