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

"""What the demo makes of a replay; the replay itself is in test_demo.py."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from disks import on_full_disk

from gain_ros.errors import CutShort
from gain_ros.evaluation.demo import run_demo
from gain_ros.evaluation.live.replay import Replay, Sent, Usage
from gain_ros.evaluation.report import clip
from gain_ros.labels import CAMVID, LabelSet
from gain_ros.model_folder import read_model_folder
from gain_ros.sources.source import BadFrame, Source, SourceFrame

SIZE = (24, 32)


class Drive(Source):
    """Six frames with truth."""

    label_set = CAMVID

    def __init__(self):
        super().__init__("drive", 6, 10.0)

    def frames(self):
        rng = np.random.default_rng(0)
        for index in range(6):
            labels = rng.integers(0, len(CAMVID), SIZE, dtype=np.uint8)
            rgb = np.full((*SIZE, 3), 40 * index, np.uint8)
            yield SourceFrame(f"{index}", rgb, index, labels)


def mask(labels: np.ndarray, stamp_ns: int, received_ns: int) -> SimpleNamespace:
    return SimpleNamespace(stamp_ns=stamp_ns, received_ns=received_ns, labels=lambda: labels)


def replay(masks: list, frames: int = 6) -> Replay:
    sent = {index: Sent(1_000 + index, 1_000 + index) for index in range(frames)}
    published = {each.stamp_ns for each in masks}
    trace = [
        {"stamp_ns": stamp, "outcome": "published" if stamp in published else "superseded"}
        for stamp in (each.stamp_ns for each in sent.values())
    ]
    trace += [{"stamp_ns": stamp, "stage_ms": {"infer": 1.5}} for stamp in published]
    known = {"engine": "onnxruntime", "provider": "CPU"}
    return Replay(sent, masks, known, trace, Usage(1.0, 0.5, 100.0), 0.01)


@pytest.fixture
def masks() -> list:
    """The mask of frame 2 never came; the others are right but for frame 4's, which is all sky."""
    found = []
    for index, frame in enumerate(Drive()):
        if index != 2:
            labels = np.zeros_like(frame.labels) if index == 4 else frame.labels
            found.append(mask(labels, 1_000 + index, 1_000 + index + 5_000_000 * (index + 1)))
    return found


@pytest.fixture
def demo(model_folder, tmp_path, monkeypatch):
    """Evaluates a source as if the node had given these masks; the folder written to is ``tmp_path``."""

    def run(masks: list, source: Source | None = None, frames: int = 6, keep: bool = False):
        source = source or Drive()

        def run_replay(source, settings, scratch, report):
            for index, frame in enumerate(Drive() if keep else ()):
                np.save(scratch / f"{index:06d}.npy", frame.rgb)
            return replay(masks, frames)

        monkeypatch.setattr("gain_ros.evaluation.realtime.run_replay", run_replay)
        return run_demo(source, read_model_folder(model_folder), "auto", tmp_path, lambda *_: None)

    return run


def test_the_result_is_an_evaluation_s_with_the_counts_beside_it(demo, masks, tmp_path):
    result, unreadable = demo(masks)
    assert unreadable == []
    assert (result["sent"], result["published"], result["received"], result["engine"]) == (6, 5, 5, "onnxruntime")
    assert result["frames"] == {"received": 6, "published": 5, "superseded": 1, "stale": 0, "failed": 0}
    assert result["mask_age_ms"]["p50"] == 20, "from sending a frame to receiving its mask"
    assert result["latency_ms"]["infer"]["p99"] == 1.5
    assert "post" not in result["latency_ms"]
    assert result["realtime"]["offline"] is None
    assert json.loads((tmp_path / "result.json").read_text()) == result


@pytest.fixture(params=["webp", "webm"])
def form(request, monkeypatch) -> str:
    """What the clip is: OpenCV before 4.11 writes no animations."""
    if request.param == "webm":
        for name in ("imwriteanimation", "imencodeanimation"):
            monkeypatch.delattr(cv2, name, raising=False)
    elif not hasattr(cv2, "imreadanimation"):
        pytest.skip("this OpenCV writes no animations")
    return request.param


def read_clip(path: Path) -> tuple[list[np.ndarray], int]:
    """A clip's frames, and the milliseconds of each."""
    if path.suffix == ".webp":
        found, moving = cv2.imreadanimation(str(path))
        assert found
        (duration_ms,) = set(moving.durations)
        return moving.frames, duration_ms
    video = cv2.VideoCapture(str(path))
    frames = []
    while (read := video.read())[0]:
        frames.append(read[1])
    return frames, round(1000 / video.get(cv2.CAP_PROP_FPS))


def test_only_the_page_the_clip_and_the_result_are_left(demo, masks, form, tmp_path):
    demo(masks)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"overlay.{form}", "report.html", "result.json"]


def test_the_score_counts_each_received_mask_against_its_own_frame(demo, masks):
    result, _ = demo(masks)
    frames = list(Drive())
    right = sum(frame.labels.size for frame in frames if frame.stem in "0135")
    sky = int((frames[4].labels == 0).sum())
    assert result["pixel_accuracy"] == pytest.approx((right + sky) / (5 * SIZE[0] * SIZE[1]))
    assert 0.5 < result["miou"] < 0.9


def test_the_page_needs_nothing_from_outside_and_holds_the_clip(demo, masks, form, tmp_path):
    demo(masks)
    page = (tmp_path / "report.html").read_text()
    links = re.findall(r'(?:src|href)\s*=\s*"([^"]*)"|url\(([^)]*)\)', page)
    assert len(links) > 4
    assert all((a or b).startswith("data:") for a, b in links)
    kind = {"webp": "image/webp", "webm": "video/webm"}[form]
    assert sum((a or b).startswith(f"data:{kind}") for a, b in links) == 1
    assert "http:" not in page.replace("http://www.w3.org", "")


def test_the_page_names_what_was_seen(demo, masks, tmp_path):
    demo(masks)
    page = (tmp_path / "report.html").read_text()
    assert all(name in page for name in CAMVID.names)
    assert "1 superseded" in page
    assert "frames sent" in page
    assert "onnxruntime" in page


def test_the_clip_holds_the_frames_received_at_the_source_s_rate(demo, masks, form, tmp_path):
    demo(masks)
    frames, duration_ms = read_clip(tmp_path / f"overlay.{form}")
    assert (len(frames), duration_ms, frames[0].shape[:2]) == (5, 100, SIZE)


def test_a_long_drive_is_thinned_out_in_the_clip(form, tmp_path, monkeypatch):
    monkeypatch.setattr(clip, "_MOST_FRAMES", 2)
    drawn = clip.Clip(CAMVID)
    for frame in Drive():
        drawn.add(frame.rgb, frame.labels)
    frames, duration_ms = read_clip(drawn.write(tmp_path, 10.0))
    assert (len(frames), duration_ms) == (2, 400)


def test_a_live_source_is_drawn_from_the_frames_kept(demo, masks, form, tmp_path):
    source = Drive()
    source.live, source.label_set, source.length = True, None, None
    source.frames = lambda: pytest.fail("a camera gives no second look")
    result, _ = demo(masks, source, keep=True)
    assert (result["received"], result["miou"], result["truth"]) == (5, None, None)
    assert len(read_clip(tmp_path / f"overlay.{form}")[0]) == 5


def test_truth_of_other_classes_than_the_model_s_is_left_out(demo, masks):
    source = Drive()
    source.label_set = LabelSet("others", ("a", "b"), ((0, 0, 0), (9, 9, 9)))
    result, _ = demo(masks, source)
    assert (result["miou"], result["truth"]) == (None, None)


def test_without_a_single_mask_there_is_still_a_page(demo, tmp_path):
    result, _ = demo([], frames=1)
    assert (result["received"], result["miou"], result["mask_age_ms"]["p50"]) == (0, None, None)
    assert "0 of 6" in (tmp_path / "report.html").read_text()
    assert not list(tmp_path.glob("overlay.*"))


def test_a_frame_that_cannot_be_read_is_told(demo, masks):
    source, frames = Drive(), list(Drive().frames())
    source.frames = lambda: iter([*frames[:5], BadFrame(5, "not an image")])
    result, unreadable = demo(masks[:4], source, frames=5)
    assert unreadable == ["not an image"]
    assert result["frames"]["failed"] == 1


def test_a_drive_is_cut_where_the_player_stopped(demo, masks):
    source = Drive()
    source.rate_hz = 0.1  # 30 s are 3 frames
    result, _ = demo(masks[:2], source, frames=3)
    assert (result["sent"], result["frames"]["received"]) == (3, 3)


def test_a_drive_that_breaks_off_before_its_cut_is_partial(demo, masks):
    source, frames = Drive(), list(Drive().frames())

    def cut():
        yield from frames[:2]
        raise CutShort("it is cut short", 4)

    source.frames, source.rate_hz = cut, 0.1  # the cut were after 3 frames
    result, _ = demo(masks[:2], source, frames=2)
    assert (result["partial"], result["frames"]["received"]) == (True, 2)


CLIP = """
from pathlib import Path
import cv2
import numpy as np
from gain_ros.evaluation.report.clip import Clip
from gain_ros.labels import CAMVID, LabelSet
if "older" in sys.argv and hasattr(cv2, "imencodeanimation"):
    del cv2.imencodeanimation
clip, noise = Clip(CAMVID), np.random.default_rng(0)
for _ in range(10):
    clip.add(noise.integers(0, 256, (64, 96, 3), np.uint8), np.zeros((64, 96), np.uint8))
try:
    clip.write(Path(sys.argv[1]), 10.0)
except OSError as error:
    print(error)
"""


@pytest.mark.parametrize("opencv", ["newer", "older"])
def test_a_clip_that_does_not_fit_is_an_error(tmp_path, opencv):
    assert re.search("too large|cut short", on_full_disk(1000, tmp_path, opencv, code=CLIP).stdout)
    assert not on_full_disk(1 << 20, tmp_path, opencv, code=CLIP).stdout


def test_names_from_outside_cannot_inject_markup(demo, masks, tmp_path):
    source = Drive()
    source.name = "<script>alert(1)</script>"
    demo(masks, source)
    assert "<script>alert" not in (tmp_path / "report.html").read_text()
