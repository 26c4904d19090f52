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

"""The shell's part is played: it sets the variables, and reads the answers from a file."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("argcomplete")


def completed(line: str, tmp_path) -> list[str]:
    """What a shell would offer behind this line."""
    answers = tmp_path / "answers"
    environment = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_STDOUT_FILENAME": str(answers), "_ARGCOMPLETE_IFS": "\n"}
    environment |= {"COMP_LINE": line, "COMP_POINT": str(len(line)), "COMP_TYPE": "9"}
    subprocess.run([sys.executable, "-m", "gain_ros"], env={**os.environ, **environment}, check=True, cwd=tmp_path)
    return [answer.strip() for answer in answers.read_text().split("\n")]


@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("gain ", {"segment", "evaluate", "--version"}),
        ("gain seg", {"segment"}),
        ("gain segment --o", {"--overlay", "--out"}),
        ("gain segment x --engine ", {"auto", "openvino"}),
        ("gain segment x --model gain_nano_c", {"gain_nano_camvid", "gain_nano_cityscapes"}),
        ("gain bench ", {"gain_nano_camvid", "mine/"}),
        ("gain bench m --engines openvino,onn", {"openvino,onnxruntime"}),
    ],
)
def test_what_a_shell_completes(line, some, tmp_path):
    (tmp_path / "mine").mkdir()
    assert some <= set(completed(line, tmp_path))
