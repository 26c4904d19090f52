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

"""Many bags: one after another, in processes of this machine, or on a Ray cluster. The same function does each bag.

A bag that cannot be evaluated leaves its error; the others are kept.
"""

from __future__ import annotations

import functools
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass, replace
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

import numpy as np

from gain_ros.errors import SourceError
from gain_ros.evaluation.offline import BagOutcome, Job, Models, evaluate_bag, open_models
from gain_ros.evaluation.report.gallery import Gallery
from gain_ros.evaluation.result import BagScore, Evaluation, FrameRow, atomic_text, model_card, read_rows, row_line
from gain_ros.files import scratch_folder
from gain_ros.score import mean_iou, pixel_accuracy
from gain_ros.signals import end_with_parent
from gain_ros.sources.source import OnProgress

Ended = BagOutcome | BagScore
"""A bag's outcome; of one that cannot be evaluated the errors alone."""


@dataclass(frozen=True)
class Task:
    """A job, and the file that takes its rows."""

    job: Job
    rows: Path


@dataclass(frozen=True)
class Evaluated:
    """All bags together; the rows of their frames are read from files when they are asked for."""

    evaluation: Evaluation
    galleries: tuple[Gallery, ...]
    row_files: tuple[Path, ...]

    def rows(self) -> Iterator[FrameRow]:
        for file in self.row_files:
            yield from read_rows(file)


def evaluate_bags(
    jobs: Sequence[Job], scratch: Path, report: OnProgress, workers: int = 1, ray_address: str | None = None
) -> Evaluated:
    """Evaluate bags offline.

    Args:
        jobs: one a bag, for one model, engine and kind of truth.
        scratch: folder for the rows; it has to live as long as the result is used.
        report: called after each frame, or of each bag where several are at work at a time.
        workers: processes here; 1 is this one.
        ray_address: a Ray cluster that does the work instead; "local" starts one here.

    Raises SourceError where no bag at all could be evaluated, and what ``open_segmenter`` raises.

    """
    with open_models(jobs[0]) as models:
        tasks = _tasks(jobs, models, scratch, _threads(workers, ray_address))
        started_s = time.monotonic()
        outcomes = _run(tasks, models, report, workers, ray_address)
        seconds = time.monotonic() - started_s
        segmenter = models.segmenter
        engines = workers * (1 if models.twin is None or tasks[0].job.threads == 1 else 2)
        model_folder, engine, provider = segmenter.model_folder, segmenter.info.engine, segmenter.info.provider
    whole = [outcome for outcome in outcomes if isinstance(outcome, BagOutcome)]
    bags = tuple(each.score if isinstance(each, BagOutcome) else each for each in outcomes)
    if not whole:
        raise SourceError("; ".join(error for bag in bags for error in bag.errors))
    evaluation = Evaluation(
        mode="offline",
        model=model_folder.name,
        sha256=model_folder.digest,
        engine=engine,
        provider=provider,
        classes=whole[0].classes,
        bags=bags,
        truth=next((outcome.truth for outcome in whole if outcome.truth is not None), None),
        options={"batch": jobs[0].batch, **jobs[0].view, "precision": segmenter.info.precision},
        details={
            **_against(jobs[0], whole),
            "model_card": model_card(model_folder),
            "throughput": _throughput(whole, seconds, engines),
        },
    )
    files = tuple(task.rows for task in tasks if task.rows.exists())
    return Evaluated(evaluation, tuple(outcome.gallery for outcome in whole), files)


def _threads(workers: int, ray_address: str | None) -> int | None:
    """Return the CPU threads of each engine; None: its own choice."""
    if ray_address is not None:
        return 1  # what a Ray task is promised
    return None if workers == 1 else max(1, len(os.sched_getaffinity(0)) // workers)


def _tasks(jobs: Sequence[Job], models: Models, scratch: Path, threads: int | None) -> list[Task]:
    """Settle for every worker what was found and chosen here, "auto" among it."""
    segmenter = models.segmenter
    model, engine = str(segmenter.model_folder.path), segmenter.info.engine
    precision = {"precision": segmenter.info.precision}
    settled = [replace(job, model=model, engine=engine, threads=threads, view=job.view | precision) for job in jobs]
    return [Task(job, scratch / f"{index:06d}.jsonl") for index, job in enumerate(settled)]


def _run(
    tasks: Sequence[Task], models: Models, report: OnProgress, workers: int, ray_address: str | None
) -> list[Ended]:
    """Return what each task came to, in their order."""
    if ray_address is not None:
        found = dict(_on_ray(tasks, ray_address, report))
    elif workers > 1:
        found = dict(_in_processes(tasks, workers, report))
    else:
        found = dict(_one_by_one(tasks, models, report))
    return [found[index] for index in range(len(tasks))]


def _one_by_one(tasks: Sequence[Task], models: Models, report: OnProgress) -> Iterator[tuple[int, Ended]]:
    def attempt(task: Task, name: str) -> Ended:
        try:
            return _evaluate(task, models, functools.partial(report, name))
        except SourceError as error:
            return _failed(task, error)

    for index, task in enumerate(tasks):
        yield index, attempt(task, "frames" if len(tasks) == 1 else f"frames of bag {index + 1} of {len(tasks)}")


def _in_processes(tasks: Sequence[Task], workers: int, report: OnProgress) -> Iterator[tuple[int, Ended]]:
    # Processes inherit what their thread blocks: Ctrl-C, which a terminal sends to all of them, reaches us alone.
    with ThreadPoolExecutor(workers, "bag", signal.pthread_sigmask, (signal.SIG_BLOCK, {signal.SIGINT})) as pool:
        places: dict[Future[BagOutcome], int] = {pool.submit(_in_process, task): i for i, task in enumerate(tasks)}
        try:
            for done, future in enumerate(as_completed(places), 1):
                task, error = tasks[places[future]], future.exception()
                yield places[future], future.result() if error is None else _failed(task, error)
                report("bags", done, len(tasks))
        finally:
            for future in places:
                future.cancel()
            while wait(places, timeout=0.1).not_done:
                for process in active_children():
                    process.kill()


def _in_process(task: Task) -> BagOutcome:
    # A pool of one for each bag: a process that dies, of a decoder's crash or for want of memory, takes one bag along.
    start, parent = get_context("spawn"), (os.getpid(),)
    with ProcessPoolExecutor(1, mp_context=start, initializer=end_with_parent, initargs=parent) as pool:
        return pool.submit(_open_and_evaluate, task).result()


def _on_ray(tasks: Sequence[Task], address: str, report: OnProgress) -> Iterator[tuple[int, Ended]]:
    try:
        import ray
    except ImportError as error:
        raise SourceError("--ray needs ray, which is not installed; pip install 'gain_ros[ray]'") from error
    try:
        ray.init(address=address, log_to_driver=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise SourceError(f"no Ray cluster at {address!r}: {error}; give its address, or local") from error
    try:
        remote = ray.remote(num_cpus=1, max_retries=0)(_evaluate_remotely)
        places = {remote.remote(task.job): index for index, task in enumerate(tasks)}
        while places:
            (ready,), _ = ray.wait(list(places))
            index = places.pop(ready)
            try:
                outcome, rows = ray.get(ready)
                tasks[index].rows.write_text(rows, encoding="utf-8")
            except Exception as error:  # a task's own error, or a worker that died
                outcome = _failed(tasks[index], getattr(error, "cause", None) or error)
            yield index, outcome
            report("bags", len(tasks) - len(places), len(tasks))
    finally:
        ray.shutdown()


def _evaluate_remotely(job: Job) -> tuple[BagOutcome, str]:
    """Evaluate on a machine that may share no disk for the rows with this one."""
    with scratch_folder() as folder:
        task = Task(job, folder / "rows.jsonl")
        return _open_and_evaluate(task), task.rows.read_text(encoding="utf-8")


def _open_and_evaluate(task: Task) -> BagOutcome:
    with open_models(task.job) as models:
        return _evaluate(task, models, lambda *_: None)


def _evaluate(task: Task, models: Models, tick: Callable[[int, int | None], object]) -> BagOutcome:
    with atomic_text(task.rows) as stream:
        return evaluate_bag(task.job, models, lambda row: stream.write(row_line(row)), tick)


def _failed(task: Task, error: BaseException) -> BagScore:
    text = str(error) if isinstance(error, SourceError) else f"{type(error).__name__}: {error}"
    return BagScore(task.job.bag, errors=(" ".join(text.split()),))


def _throughput(outcomes: Sequence[BagOutcome], seconds: float, engines: int) -> dict[str, float]:
    """Make section "throughput" of result.json: all frames, without opening the model (workers do for each bag)."""
    frames = sum(outcome.frames for outcome in outcomes)
    return {"seconds": round(seconds, 3), "fps": round(frames / seconds, 2), "engines": engines}


def _against(job: Job, outcomes: Sequence[BagOutcome]) -> dict[str, Any]:
    """Make section "against" of result.json: the other's masks in the place of truth."""
    if job.against is None:
        return {}
    total = np.sum([outcome.against for outcome in outcomes if outcome.against is not None], axis=0)
    return {"against": {"name": job.against, "agreement": pixel_accuracy(total), "miou": mean_iou(total)}}
