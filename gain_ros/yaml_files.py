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

"""YAML that anybody may have written: plain values, which take no more memory and time than their text promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from gain_ros.files import read_bounded

_MAX_BYTES = 1 << 17
_MAX_DIGITS = 20
_KINDS = ("map", "seq", "str", "int", "float", "bool", "null")  # what JSON has too: no dates, sets or bytes


class _Loader(yaml.SafeLoader):
    yaml_constructors = {
        tag: construct
        for tag, construct in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.rpartition(":")[2] in _KINDS
    }

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):  # a few lines of them stand for gigabytes
            raise yaml.YAMLError("an alias; write the value out")
        return super().compose_node(parent, index)

    def small_int(self, node: yaml.ScalarNode) -> int:
        if len(node.value) > _MAX_DIGITS:
            raise yaml.YAMLError(f"a number of {len(node.value)} digits")
        return self.construct_yaml_int(node)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.small_int)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def read_yaml(file: Path) -> Any:
    """Return the content of a file of at most 128 KiB, in lists, mappings, text, numbers, booleans and None.

    Raises OSError, and ValueError for what is no such YAML.
    """
    text = read_bounded(file, _MAX_BYTES)
    try:
        return _Loader(text.decode()).get_single_data()
    except Exception as error:  # the reader raises whatever it trips over, also RecursionError and KeyError
        raise ValueError(f"broken YAML ({str(error)[:200]})") from error


def write_yaml(file: Path, document: dict[str, Any]) -> None:
    """Write what :func:`read_yaml` reads. Raises ValueError for values that are not plain."""
    try:
        text = yaml.dump(
            document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None
        )
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    file.write_text(text, encoding="utf-8")
