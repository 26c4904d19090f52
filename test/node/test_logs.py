# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
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
