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

"""Every test on a ROS graph of its own, so that any number of them run at once, in one test run or in several."""

import os
import socket
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
if os.environ.get("ROS_DISTRO") == "humble":
    os.environ["ROS_LOCALHOST_ONLY"] = "1"

# One local port for each domain id that every DDS vendor allows; whoever holds the port has the domain, and a process
# that dies lets go.
_CLAIM_PORT = 23400
_DOMAIN_IDS = range(1, 102)


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.ros)


@pytest.fixture
def domain_id(monkeypatch):
    """A ROS domain that nobody else on this machine's test runs uses while the test lasts."""
    first = os.getpid() % len(_DOMAIN_IDS)
    for candidate in [*_DOMAIN_IDS[first:], *_DOMAIN_IDS[:first]]:
        with socket.socket() as claim:
            try:
                claim.bind(("127.0.0.1", _CLAIM_PORT + candidate))
            except OSError:
                continue
            monkeypatch.setenv("ROS_DOMAIN_ID", str(candidate))
            yield candidate
            return
    pytest.fail("no free ROS domain: are a hundred tests running?")


@pytest.fixture
def graph(domain_id):
    from graph import Graph

    one = Graph(domain_id)
    yield one
    one.close()
