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

import logging

import pytest

from gain_ros.node.logs import forward_logs


class RosLogger:
    def __init__(self):
        self.lines = []

    def error(self, text):
        self.lines.append(("error", text))

    def warning(self, text):
        self.lines.append(("warning", text))

    def info(self, text):
        self.lines.append(("info", text))


@pytest.fixture(autouse=True)
def level():
    logger = logging.getLogger("gain_ros")
    before = logger.level
    yield
    logger.setLevel(before)


def test_what_the_package_logs_reaches_the_node_s_log_by_severity():
    ros, source = RosLogger(), logging.getLogger("gain_ros.tensorrt")
    stop = forward_logs(ros)
    for severity in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
        source.log(severity, "%s of it", logging.getLevelName(severity))
    logging.getLogger("other").error("not ours")
    stop()
    source.error("after the end")
    assert ros.lines == [
        ("info", "INFO of it"), ("warning", "WARNING of it"), ("error", "ERROR of it"), ("error", "CRITICAL of it")
    ]  # fmt: skip
