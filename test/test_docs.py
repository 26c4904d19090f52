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

"""Pages: every link to a file of the project leads somewhere, and every page is in the index."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[1]
PAGES = sorted([*TOP.glob("*.md"), *TOP.glob("docs/*.md")])
LINK = re.compile(r"\]\(([^)#]+?)(#[^)]*)?\)")


def is_outside(target: str) -> bool:
    return "://" in target or target.startswith("mailto:")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = [target for target, _ in LINK.findall(page.read_text(encoding="utf-8")) if not is_outside(target)]
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_index_has_every_page() -> None:
    index = TOP / "docs/index.md"
    linked = {target for target, _ in LINK.findall(index.read_text(encoding="utf-8"))}
    assert {page.name for page in TOP.glob("docs/*.md")} - {"index.md"} <= linked
