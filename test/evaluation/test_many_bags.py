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

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUSY = """
import os, time
def work(task):
    os.write(1, b"%d\\n" % os.getpid())  # whole, beside another's
    time.sleep(60)
"""
SCRIPT = """
import signal
signal.signal(signal.SIGINT, signal.SIG_DFL)  # a job in a shell's background ignores it, and so would we
import busy
from gain_ros.evaluation import many_bags
from gain_ros.signals import Stopped, raise_on_signals
many_bags._open_and_evaluate = busy.work
raise_on_signals()
try:
    list(many_bags._in_processes([None] * 3, 2, print))
except Stopped as stop:
    print("stopped by", stop)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=["KILL", "INT", "TERM"])
def test_workers_end_with_their_parent(number, tmp_path):
    """Ctrl-C goes to all of them, as a terminal sends it."""
    (tmp_path / "busy.py").write_text(BUSY)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    command, pipe = [sys.executable, "-c", SCRIPT], subprocess.PIPE
    with subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, env=environment, start_new_session=True
    ) as parent:
        workers = [int(parent.stdout.readline()) for _ in range(2)]
        (os.killpg if number == signal.SIGINT else os.kill)(parent.pid, number)
        said, complaints = parent.communicate(timeout=30)
    if number != signal.SIGKILL:
        assert (parent.returncode, said, complaints) == (0, f"stopped by {number.name}\n", "")
    deadline_s = time.monotonic() + 30
    while any(is_running(pid) for pid in workers):
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
