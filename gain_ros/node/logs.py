"""What the libraries below the node say, in the node's own log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

_PACKAGE = "gain_ros"


class _RosHandler(logging.Handler):
    def __init__(self, logger: Any) -> None:
        super().__init__(logging.INFO)
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR:
            self._logger.error(record.getMessage())
        elif record.levelno >= logging.WARNING:
            self._logger.warning(record.getMessage())
        else:
            self._logger.info(record.getMessage())


def forward_logs(logger: Any) -> Callable[[], None]:
    """Hands what the package logs from now on to a ROS logger, severity by severity; call the result to stop."""
    source = logging.getLogger(_PACKAGE)
    handler = _RosHandler(logger)
    source.addHandler(handler)
    if source.level == logging.NOTSET:
        source.setLevel(logging.INFO)

    def stop() -> None:
        source.removeHandler(handler)

    return stop
