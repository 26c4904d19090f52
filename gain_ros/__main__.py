# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""``python -m gain_ros VERB ...`` is the same as ``gain VERB ...``."""

import sys

from gain_ros.cli import main

if __name__ == "__main__":
    sys.exit(main())
