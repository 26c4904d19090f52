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

"""A disk that is full."""

from __future__ import annotations

import subprocess
import sys

LIMITED = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)\n"
GAIN = "from gain_ros.cli import main; sys.exit(main())"


def on_full_disk(room_bytes: int, *words: object, code: str = GAIN) -> subprocess.CompletedProcess:
    """Run ``gain WORDS``, or other code, where no file grows beyond ``room_bytes``, as if the disk were full there.

    A process of its own: the limit would hold for the files of every thread, also those of DDS.
    """
    command = [sys.executable, "-c", LIMITED + code, str(room_bytes), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
