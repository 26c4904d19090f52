from __future__ import annotations

import json
import re
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from gain_ros.evaluation.demo import pictures, report
from gain_ros.evaluation.demo.result import make_result
from gain_ros.evaluation.demo.run import DemoRun
from gain_ros.labels import CAMVID
from gain_ros.model_folder import read_model_folder
from gain_ros.sources.source import Source, SourceFrame

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


def mask(labels: np.ndarray, received_ns: int) -> SimpleNamespace:
    return SimpleNamespace(received_ns=received_ns, labels=lambda: labels)


@pytest.fixture
def run() -> DemoRun:
    """All frames sent; the mask of frame 2 never came; the others are right but for frame 4's, which is all sky."""
    sent = {index: 1_000 + index for index in range(6)}
    masks = {}
    for index, frame in enumerate(Drive()):
        if index != 2:
            labels = np.zeros_like(frame.labels) if index == 4 else frame.labels
            masks[sent[index]] = mask(labels, sent[index] + 5_000_000 * (index + 1))
    ranks = {f"{key}_ms_p{rank}": "1.50" for key in ("infer", "mask_age") for rank in (50, 95, 99)}
    told = {"received": "6", "published": "5", "superseded": "1", "engine": "onnxruntime", "provider": "CPU"}
    return DemoRun(sent, masks, told | ranks, {})


@pytest.fixture
def result(run, model_folder, tmp_path):
    return make_result(run, Drive(), read_model_folder(model_folder), tmp_path)


def test_latency_is_from_stamp_to_receipt_of_the_same_frame(run):
    np.testing.assert_allclose(run.latency_ms(), [5, 10, 20, 25, 30])


def test_the_result_holds_the_counts_and_times(result):
    assert (result["sent"], result["published"], result["received"], result["engine"]) == (6, 5, 5, "onnxruntime")
    assert result["frames"] == {"received": 6, "published": 5, "superseded": 1, "stale": 0, "failed": 0}
    assert result["latency_ms"]["p50"] == 20
    assert result["stage_ms"]["infer"]["p99"] == 1.5
    assert result["stage_ms"]["post"]["p99"] is None
    assert json.loads(json.dumps(result)) == result


def test_the_score_counts_each_received_mask_against_its_own_frame(result):
    frames = list(Drive())
    right = sum(frame.labels.size for frame in frames if frame.stem in "0135")
    sky = int((frames[4].labels == 0).sum())
    assert result["pixel_accuracy"] == pytest.approx((right + sky) / (5 * SIZE[0] * SIZE[1]))
    assert 0.5 < result["miou"] < 0.9


def test_the_page_needs_nothing_from_outside(result, tmp_path):
    page = (tmp_path / "report.html").read_text()
    links = re.findall(r'(?:src|href)\s*=\s*"([^"]*)"|url\(([^)]*)\)', page)
    assert len(links) == 3 * 4 + 1, "four rows of three pictures, and the clip"
    assert all((a or b).startswith("data:") for a, b in links)
    assert "http" not in page


def test_the_page_names_what_was_seen(result, tmp_path):
    page = (tmp_path / "report.html").read_text()
    assert all(name in page for name in CAMVID.names)
    assert "superseded by a newer frame" in page
    assert "onnxruntime" in page
    assert 'name="viewport"' in page
    assert "prefers-color-scheme: dark" in page


def test_the_clip_holds_the_frames_received_at_the_source_s_rate(result, tmp_path):
    found, clip = cv2.imreadanimation(str(tmp_path / "overlay.webp"))
    assert found
    assert len(clip.frames) == 5
    assert list(clip.durations) == [100] * 5
    assert clip.frames[0].shape[:2] == SIZE


def test_a_long_drive_is_thinned_out_in_the_clip(run, model_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "_MOST_CLIP_FRAMES", 2)
    drawn = pictures.draw(run, Drive(), CAMVID, tmp_path)
    _, clip = cv2.imreadanimation(str(drawn.clip))
    assert len(clip.frames) == 2
    assert list(clip.durations) == [300] * 2


def test_a_live_source_is_drawn_from_the_frames_kept(run, tmp_path):
    source = Drive()
    source.live, source.label_set = True, None
    kept = {index: frame.rgb for index, frame in enumerate(Drive())}
    live = DemoRun(run.sent, run.masks, run.diagnostics, kept)
    monitored = pictures.draw(live, source, CAMVID, tmp_path)
    assert len(monitored.rows) == 4
    assert monitored.confusion is None


def test_without_a_single_mask_there_is_still_a_page(model_folder, tmp_path):
    empty = DemoRun({0: 1000}, {}, {"received": "1"}, {})
    result = make_result(empty, Drive(), read_model_folder(model_folder), tmp_path)
    assert (result["received"], result["miou"], result["latency_ms"]["p50"]) == (0, None, None)
    assert "No mask arrived" in (tmp_path / "report.html").read_text()


def test_names_from_outside_cannot_inject_markup(run, model_folder, tmp_path):
    source = Drive()
    source.name = "<script>alert(1)</script>"
    make_result(run, source, read_model_folder(model_folder), tmp_path)
    assert "<script>" not in (tmp_path / "report.html").read_text()


def test_bars_hold_every_value_and_ticks_are_round():
    values = np.array([1.0, 2.0, 2.1, 9.7])
    drawn = report.histogram(values)
    assert sum(int(bar.title.rpartition(" ")[2]) for bar in drawn.bars) == len(values)
    assert [name for _, name in drawn.ticks] == ["0", "2", "4", "6", "8", "10"]
    assert all(0 <= bar.x and bar.x + bar.width <= 600 and bar.y >= 0 for bar in drawn.bars)
    assert report.histogram(np.array([])) is None
