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

from __future__ import annotations

from gain_ros.runtime.tensorrt.progress import BuildProgress


def test_steps_of_nested_phases_add_up() -> None:
    now_s = [100.0]
    progress = BuildProgress(lambda: now_s[0])
    assert progress.text == ""
    progress.begin("an engine")
    assert progress.share is None
    now_s[0] += 7
    assert progress.text == "building an engine: 7 s"
    progress.start_phase("whole", None, 2)
    assert progress.complete_step("whole", 0)
    assert progress.share == 0.5
    progress.start_phase("inner", "whole", 4)
    progress.complete_step("inner", 0)
    assert progress.share == 0.625
    assert progress.text == "building an engine: 62 %, 7 s"
    progress.finish_phase("inner")
    progress.complete_step("whole", 1)
    assert progress.share == 1.0
    progress.end()
    assert progress.text == ""


def test_the_share_never_goes_back() -> None:
    progress = BuildProgress()
    progress.begin("an engine")
    progress.start_phase("first", None, 2)
    progress.complete_step("first", 0)
    progress.finish_phase("first")
    progress.start_phase("second", None, 10)
    progress.complete_step("second", 0)
    assert progress.share == 0.5


def test_cancelling_is_told_at_the_next_step() -> None:
    progress = BuildProgress()
    progress.start_phase("whole", None, 0)
    assert progress.complete_step("whole", 0)
    progress.cancel()
    assert not progress.complete_step("whole", 1)
    assert not progress.complete_step("unknown phase", 1)
