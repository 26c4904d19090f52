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

"""``gain demo``: a realtime evaluation of the first seconds of a source, with a clip on its page."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from gain_ros.errors import SourceError
from gain_ros.evaluation.live.replay import Settings
from gain_ros.evaluation.reader import Reader
from gain_ros.evaluation.realtime import play_and_score
from gain_ros.evaluation.report.clip import Clip
from gain_ros.evaluation.report.gallery import FOLDER
from gain_ros.evaluation.report.page import write_report
from gain_ros.evaluation.result import FRAMES, write_result
from gain_ros.evaluation.truth import TruthOptions, open_truth
from gain_ros.model_folder import ModelFolder
from gain_ros.sources.source import OnProgress, Source

_MOST_SECONDS, _LIVE_SECONDS = 30.0, 10.0


def run_demo(
    source: Source, model_folder: ModelFolder, engine: str, out: Path, report: OnProgress
) -> tuple[dict[str, Any], list[str]]:
    """Evaluate a source in real time, webcams too; write result.json, report.html and a clip to the folder ``out``.

    Truth counts where its classes are the model's, or a known table leads from one to the other. Returns what
    result.json holds, and why frames could not be read.
    Raises GraphError where a process of the graph did not start or ended early.
    """
    labels, clip = model_folder.labels, Clip(model_folder.labels)
    truth = None
    with contextlib.suppress(SourceError):  # no table between the classes
        truth = open_truth(TruthOptions(), source, labels)
    reader = Reader(source, truth)
    most = round(source.rate_hz * (_LIVE_SECONDS if source.live else _MOST_SECONDS))
    limit = None if source.length is not None and source.length <= most else most
    settings = Settings(model_folder.path, engine, limit=limit)
    evaluation, rows, gallery = play_and_score(reader, model_folder, settings, report, on_mask=clip.add)
    report("drawing the report", 0, None)
    live = evaluation.details["realtime"]
    published = sum(row.outcome == "published" for row in rows)
    counts = {"sent": live["sent"], "published": published, "received": live["masks_received"]}
    evaluation = replace(evaluation, details={**evaluation.details, **counts})
    result = write_result(out, evaluation, rows)
    gallery.write(out)
    clip.write(out, source.rate_hz)
    write_report(out)
    (out / FRAMES).unlink()  # these two are in the page
    shutil.rmtree(out / FOLDER)
    return result, [row.error for row in rows if row.error is not None]
