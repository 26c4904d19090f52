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

"""The pinned environments that `make demo` and `make test` install."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[[a-z]+\])?==[0-9][0-9A-Za-z.]*( ; python_version (<|>=) \"3\.\d+\")?")


def lines(file: str) -> list[str]:
    text = (ROOT / file).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("file", sorted(path.name for path in ROOT.glob("requirements*.txt")))
def test_each_requirement_is_one_version_from_whatever_index_the_user_has(file):
    loose = [line for line in lines(file) if not PIN.fullmatch(line) and line != "-r requirements.txt"]
    assert loose == []


def test_the_runtime_needs_no_training_library():
    names = {PIN.fullmatch(line)["name"].lower() for line in lines("requirements.txt")}
    assert names.isdisjoint({"torch", "lightning", "torchmetrics", "tensorboard", "onnx", "pytest"})
    assert {"onnxruntime", "ros-kilted-rclpy", "numpy"} <= names
