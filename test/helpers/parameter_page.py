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

"""docs/parameters.md, made from the declarations: python test/helpers/parameter_page.py writes it."""

from __future__ import annotations

from pathlib import Path

from gain_ros.node.parameters import PARAMETERS, Spec

PAGE = Path(__file__).resolve().parents[2] / "docs/parameters.md"
HEAD = """# Parameters of the node

Made from the declarations in `gain_ros/node/parameters.py`; `ros2 param describe` says the same. *live*: taken at
once; *reload*: the model is loaded anew, beside the one that serves
([topics.md](topics.md#another-model-without-a-gap)); *configure*: when the node is configured;
*start*: when the process starts.
[config/segmentation.yaml](../config/segmentation.yaml) holds them all, and shows how to set quality of service. A name
that the node does not have ends it with exit code 2, also one from a file for all nodes (`/**`).

| parameter | default | taken | |
|---|---|---|---|
"""


def page() -> str:
    return HEAD + "".join(map(row, PARAMETERS))


def row(spec: Spec) -> str:
    default = str(spec.default).lower() if isinstance(spec.default, bool) else str(spec.default).replace("'", '"')
    bounds = "" if spec.minimum is None else f" From {spec.minimum} to {spec.maximum}."
    text = spec.description.replace("|", "\\|").replace("<", "&lt;")
    return f"| `{spec.name}` | `{default}` | {spec.taken.name.lower()} | {text}{bounds} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
