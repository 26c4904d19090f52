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

"""``gain VERB ...`` as a process, the same as ``python -m gain_ros VERB ...``: signals end it in order."""

import sys

from gain_ros.signals import Stopped, ignore_signals, raise_on_signals


def main() -> int:
    """Run the verb that ``sys.argv`` names; returns the exit code."""
    raise_on_signals()
    try:
        from gain_ros.cli import main as run

        return run()
    except Stopped as stop:
        print("gain: stopped", file=sys.stderr)
        return 0 if sys.argv[1:2] == ["node"] else stop.exit_code  # to a node it is an order like any other
    finally:
        ignore_signals()


if __name__ == "__main__":
    sys.exit(main())
