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

from __future__ import annotations

import json
import re

import evaluations
import numpy as np
import pytest
from browser import browser, find_chromium

from gain_ros.errors import ResultError
from gain_ros.evaluation.report import charts
from gain_ros.evaluation.report.page import _stage_chart, explained, headline, write_report
from gain_ros.evaluation.result import BagScore, FrameRow
from gain_ros.labels import CAMVID

PHONE, DESK = (390, 844), (1280, 900)
RIGHT = ("ArrowRight", 39)


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory):
    out = tmp_path_factory.mktemp("evaluation")
    result = evaluations.write_evaluation(out)
    write_report(out)
    return out, result


def test_the_page_names_every_class_stage_reason_and_version(evaluation):
    out, result = evaluation
    page = (out / "report.html").read_text()
    assert all(name in page for name in CAMVID.names)
    assert all(name in page for name in result["versions"])
    assert "15 superseded, 1 failed" in page
    assert "waiting for the network" in page
    assert result["model"]["sha256"] in page


def test_the_page_holds_all_it_needs(evaluation):
    page = (evaluation[0] / "report.html").read_text()
    links = re.findall(r'(?:src|href)\s*=\s*"([^"]*)"|url\(([^)]*)\)|@import', page)
    assert len(links) > 4
    assert all((a or b).startswith("data:") for a, b in links)


def test_equal_results_give_equal_pages(evaluation, tmp_path):
    evaluations.write_evaluation(tmp_path)
    assert write_report(tmp_path).read_bytes() == (evaluation[0] / "report.html").read_bytes()


def test_ten_thousand_frames_stay_far_below_ten_megabytes(tmp_path):
    evaluations.write_evaluation(tmp_path, frames=10_000)
    assert write_report(tmp_path).stat().st_size < 2_000_000


def test_the_steps_from_offline_to_in_use_add_up(evaluation):
    levels = explained(evaluation[1])
    values, changes = [value for _, value, _ in levels], [change for *_, change in levels[1:]]
    assert values == [0.75, 0.742, evaluation[1]["miou"], 0.61]
    assert sum(changes) == pytest.approx(values[-1] - values[0])


def test_offline_shows_no_age_and_no_real_time(tmp_path):
    result = evaluations.write_evaluation(tmp_path, mode="offline")
    assert explained(result) == []
    assert [card.name for card in headline(result)][:2] == ["mIoU", "pixel accuracy"]
    assert "What real time costs" not in write_report(tmp_path).read_text()


def test_the_remarks_say_what_flatters_and_what_slows_down(tmp_path):
    details = {"throughput": {"seconds": 1.0, "fps": 9.0, "engines": 2}, "model_card": {"val_seen_in_training": "True"}}
    result = evaluations.write_evaluation(tmp_path, mode="offline", details=details)
    cards = {card.name: card for card in headline(result)}
    assert "trained on its data set's val frames" in cards["mIoU"].remark
    assert cards["time a frame"].remark.endswith("; 2 engines shared the cores")


def test_where_the_frames_went_and_how_many_a_second_there_were(tmp_path):
    details = {"realtime": {"sent": 203, "lost_on_the_way": 3, "sent_hz": 15.02, "masks_hz": 13.7}}
    result = evaluations.write_evaluation(tmp_path, details=details)
    cards = {card.name: card for card in headline(result)}
    with_mask, rate = cards["frames with a mask"], cards["masks a second"]
    assert (with_mask.value, with_mask.remark) == ("184 of 200", "203 sent; 3 lost on the way, 15 superseded, 1 failed")
    assert (rate.value, rate.remark) == ("13.7", "15.0 frames a second sent")


def test_a_stage_has_the_same_colour_whatever_other_stages_there_are(tmp_path):
    along = charts.steps([0, 1_000_000_000])
    few = [FrameRow("b", 0, "published", {"decode": 1.0, "infer": 2.0, "score": 1.0})] * 2
    many = [FrameRow("b", 0, "published", {"wait": 1.0, "decode": 1.0, "infer": 2.0, "publish": 1.0})] * 2
    legends = [dict(_stage_chart(along, rows).legend) for rows in (few, many)]
    for name in ("decoding", "network"):
        assert legends[0][name] == legends[1][name]
    assert all(len(set(legend.values())) == len(legend) for legend in legends)


def test_without_truth_frames_or_gallery_there_is_still_a_page(tmp_path):
    bag = BagScore("empty", errors=("the file ends in the middle",))
    evaluations.write_evaluation(tmp_path, frames=0, mode="offline", bags=(bag,), truth=None)
    for picture in (tmp_path / "gallery").iterdir():
        picture.unlink()
    page = write_report(tmp_path).read_text()
    assert "Partial result" in page
    assert "the file ends in the middle" in page
    assert "0 of 0" in page


def test_names_from_outside_cannot_inject_markup(tmp_path):
    bad = '<script>alert("x")</script>'
    bag = BagScore(bad, bad, warnings=(bad,), errors=(bad,))
    evaluations.write_evaluation(tmp_path, bags=(bag,), model=bad, provider=bad)
    assert bad not in write_report(tmp_path).read_text()


def test_a_folder_without_a_result_is_said_to_be_one(tmp_path):
    with pytest.raises(ResultError, match="no readable result"):
        write_report(tmp_path)


def test_time_runs_in_seconds_and_in_frames_where_stamps_run_back():
    forward = charts.steps([0, 500_000_000, 1_000_000_000, 1_500_000_000], most=2)
    assert (forward.names, forward.unit, forward.edges) == (("0.0", "1.0"), "time (s)", (0, 2, 4))
    assert charts.steps([5, 7, 5, 7], most=2).names == ("0", "2")
    assert charts.steps([]).names == ()
    close = charts.steps(range(0, 60 * 66_000_000, 66_000_000))
    assert len(set(close.names)) == 60, "pygal takes labels of one text for one"


def test_a_stretch_is_reduced_over_what_is_known():
    along = charts.steps(range(5), most=2)
    assert along.gather([1.0, None, 4.0, 6.0, None], np.mean) == [1.0, 5.0]
    assert along.gather([None] * 5, max) == [None, None]


def test_a_histogram_counts_every_value():
    drawn = charts.histogram("h", "Title", "note", "ms", [1.0] * 150 + [2.0] * 149 + [500.0])
    assert sum(int(count) for _, count in drawn.rows) == 300
    assert drawn.svg.startswith('<svg role="img" aria-label="Title. note"')


def test_rows_of_a_single_dropped_frame_make_a_page(tmp_path):
    evaluations.write_evaluation(tmp_path)
    line = json.dumps({"bag": "b", "stamp_ns": 0, "outcome": "stale"})
    (tmp_path / "frames.jsonl").write_text(line + "\n")
    assert FrameRow("b", 0, "stale").stage_ms == {}
    assert "1 stale" in write_report(tmp_path).read_text()


@pytest.fixture(scope="module")
def page(evaluation, tmp_path_factory):
    program = find_chromium()
    if program is None:
        pytest.skip("no Chromium is installed")
    with browser(program, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.mark.parametrize("size", [PHONE, DESK])
def test_in_a_browser_nothing_is_asked_for_complained_of_or_cut_off(page, evaluation, size):
    page.requests.clear()
    page.open(evaluation[0] / "report.html", *size)
    outside = [url for url in page.requests if not url.startswith(("data:", (evaluation[0] / "report.html").as_uri()))]
    assert (outside, page.complaints) == ([], [])
    assert page.run("document.documentElement.scrollWidth <= window.innerWidth"), "the page scrolls sideways"
    small = "[...document.querySelectorAll('main *')].filter(e => e.childNodes.length && !e.closest('svg')"
    assert page.run(f"{small} && parseFloat(getComputedStyle(e).fontSize) < 12).length") == 0
    drawn = "[...document.querySelectorAll('svg text')].filter(e => e.textContent"
    assert page.run(f"{drawn} && e.getBoundingClientRect().height < 11).length") == 0
    assert page.run("[...document.images].every(image => image.complete && image.naturalWidth > 0)")


def test_keys_move_the_gallery_and_the_divider(page, evaluation):
    page.open(evaluation[0] / "report.html", *DESK)
    page.run("document.getElementById('frame').focus()")
    before = page.run("document.getElementById('under').src")
    page.press(*RIGHT)
    assert page.run("document.getElementById('which').textContent").startswith("2 of ")
    assert page.run("document.getElementById('under').src") != before
    assert page.run("[...document.querySelectorAll('.four')].filter(e => !e.hidden).length") == 1
    page.run("document.getElementById('divider').focus()")
    page.press(*RIGHT)
    assert page.run("document.getElementById('stage').style.getPropertyValue('--wipe')") == "51%"


def test_a_screen_reader_finds_names(page, evaluation):
    page.open(evaluation[0] / "report.html", *DESK)
    assert page.names("slider") == ["Worst to best", "Divider"]
    assert [name.strip() for name in page.names("combobox")] == ["Left", "Right"]
    assert all(page.names("image")), "a picture without a name"
    assert any(name.startswith("Mask age over time. ") for name in page.names("image"))
    assert all(page.names("region"))
    assert "Confusion matrix" in page.names("region")
