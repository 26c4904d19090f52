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

"""Another model while one serves: loaded beside it, no frame lost, or refused with the old one going on."""

import threading
from functools import partial

import numpy as np
import pytest
from fake_segmenter import FakeSegmenter, HeldSegmenter
from graph import change_state, eventually, image, picture, pixels, set_parameter, stamp_ns
from lifecycle_msgs.msg import Transition
from rcl_interfaces.srv import GetParameters, SetParametersAtomically
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from std_msgs.msg import String

from gain_ros.class_output import class_output
from gain_ros.errors import ModelFolderError
from gain_ros.labels import LabelSet

LINE = LabelSet("line", ("ground", "line"), ((1, 1, 1), (9, 9, 9)))


class Models:
    """Opens fake models; those called line have other classes, and each is held while it opens if ``go`` is clear."""

    def __init__(self, segmenter=FakeSegmenter):
        self.segmenter, self.opened, self.go, self.entered = segmenter, [], threading.Event(), threading.Event()
        self.go.set()

    def __call__(self, model, **options):
        self.entered.set()
        assert self.go.wait(60)
        segmenter = (self.segmenter if model == "fake" else FakeSegmenter)(model, **options)
        if model.startswith("line"):
            segmenter.model_folder.labels = LINE
            segmenter.model_folder.class_output = partial(class_output, LINE)
            plain = segmenter.segment

            def segment(frames, confidence=True):
                results = plain(frames, confidence)
                for result in results:
                    result.labels = np.ones_like(result.labels)
                return results

            segmenter.segment = segment
        self.opened.append(segmenter)
        return segmenter

    def find(self, model):
        if model == "nowhere":
            raise ModelFolderError(model, "nothing", "a model folder", "check the name")


@pytest.fixture
def models():
    return Models()


def value(graph, name):
    request = GetParameters.Request(names=[name])
    found = graph.call(GetParameters, "segmentation_node/get_parameters", request).values[0]
    return found.string_value or list(found.string_array_value)


def set_together(graph, **values):
    request = SetParametersAtomically.Request(
        parameters=[Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
    )
    return graph.call(SetParametersAtomically, "segmentation_node/set_parameters_atomically", request).result


def test_a_change_of_model_loses_no_frame_and_says_what_ids_mean_before_the_first_mask(graph, models):
    """The ledger: each stamp sent comes back once, in order, and each mask means what was said last before it."""
    masks = graph.listen(Image, "segmentation/mask")
    node = graph.start(models, model="fake")
    publisher, sent, published = graph.publisher(), [], []
    for each in (node._outputs[""]._mask, node._outputs[""]._label_info_json):
        each.publish = partial(lambda publish, message: (published.append(message), publish(message)), each.publish)

    def a_frame_comes_back():
        sent.append(len(sent) + 1)
        publisher.publish(image(np.full((6, 8, 3), 3, np.uint8), stamp_ns=sent[-1]))
        eventually(lambda: len(masks) == len(sent), f"the mask of frame {sent[-1]}")

    for changed_to in ("line", "fake", "line"):
        models.entered.clear()
        models.go.clear()
        assert set_parameter(graph, "model", changed_to).successful
        eventually(models.entered.is_set, f"{changed_to} loading")
        for _ in range(5):
            a_frame_comes_back()
        models.go.set()
        while node._model.name != changed_to:
            a_frame_comes_back()
        for _ in range(5):
            a_frame_comes_back()
    assert [stamp_ns(mask) for mask in masks] == sent
    counts = node.frame_counts()
    assert (counts.received, counts.published) == (len(sent), len(sent))
    eventually(lambda: [each.closed for each in models.opened] == [True, True, True, False], "old models freed")
    meaning, changes = "fake", []
    for each in published:  # in the order of publication, which subscriptions of two topics do not keep
        if isinstance(each, String):
            meaning = "line" if '"label_set": "line"' in each.data else "fake"
            changes.append(meaning)
        else:
            assert set(pixels(each).ravel()) == {{"line": 1, "fake": 3}[meaning]}
    assert changes == ["line", "fake", "line"]


def test_the_frame_at_work_keeps_its_model_until_it_is_done(graph):
    models = Models(HeldSegmenter)
    masks = graph.listen(Image, "segmentation/mask")
    node = graph.start(models, model="fake")
    graph.publisher().publish(image(picture(), stamp_ns=1))
    eventually(lambda: models.opened and models.opened[0].entered.is_set(), "a frame at work")
    assert set_parameter(graph, "model", "line").successful
    eventually(lambda: node._model.name == "line", "the change")
    graph.pause(0.1)
    assert not models.opened[0].closed
    graph.publisher().publish(image(picture(), stamp_ns=2))
    eventually(lambda: node.frame_counts().received == 2, "the next frame waiting")
    models.opened[0].released.set()
    eventually(lambda: len(masks) == 2, "both masks")
    assert [stamp_ns(mask) for mask in masks] == [1, 2]
    eventually(lambda: models.opened[0].closed, "the old model freed")
    assert set(pixels(masks[1]).ravel()) == {1}


def test_while_a_model_loads_the_other_serves_and_diagnostics_say_so(graph, models):
    masks = graph.listen(Image, "segmentation/mask")
    graph.start(models, model="fake")
    graph.publisher()
    models.go.clear()
    assert set_together(graph, model="line", threads=2).successful
    status = eventually(lambda: graph.status().get("loading") and graph.status(), "loading in diagnostics")
    assert (status["loading"], status["model"], status["level"]) == ("model line, threads 2", "fake", 0)
    assert "fake serves, loading model line, threads 2 for " in status["message"]
    graph.publisher().publish(image(picture()))
    eventually(lambda: masks, "a mask meanwhile")
    models.go.set()
    eventually(lambda: graph.status()["model"] == "line" and not graph.status()["loading"], "the change")
    assert len(models.opened) == 2, "both parameters with one load"
    assert models.opened[1].options["threads"] == 2
    assert (value(graph, "model"), len(graph.node.get_publishers_info_by_topic("/segmentation/mask"))) == ("line", 1)


def test_a_later_change_supersedes_the_one_that_loads(graph, models):
    node = graph.start(models, model="fake")
    graph.publisher()
    models.entered.clear()
    models.go.clear()
    assert set_parameter(graph, "model", "line").successful
    eventually(models.entered.is_set, "the first change loading")
    assert set_parameter(graph, "model", "fake:other=1").successful
    models.go.set()
    eventually(lambda: node._model.name == "fake:other=1", "the later change")
    eventually(lambda: [each.closed for each in models.opened] == [True, True, False], "the others freed")
    models.go.clear()
    models.entered.clear()
    assert set_parameter(graph, "model", "line").successful
    eventually(models.entered.is_set, "a change loading")
    assert set_parameter(graph, "model", "fake:other=1").successful
    models.go.set()
    eventually(lambda: len(models.opened) == 4 and models.opened[3].closed, "taken back")
    assert not models.opened[2].closed


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"model": "fake:broken=1"}, "cannot change to model fake:broken=1: model.yaml: found nothing"),
        ({"model": "line", "remap": ["road:1"]}, "cannot change to model line: remap with the key 'road'"),
    ],
    ids=["cannot load", "remap that does not fit"],
)
def test_a_model_that_cannot_serve_leaves_the_old_one_and_true_parameters(graph, models, capfd, values, said):
    masks = graph.listen(Image, "segmentation/mask")
    graph.start(models, model="fake", remap=["car:7"])
    graph.publisher()
    assert set_together(graph, **values).successful
    status = eventually(lambda: said in graph.status().get("last_error", "") and graph.status(), "why not")
    assert status["last_error"].endswith("; fake goes on")
    assert (value(graph, "model"), value(graph, "remap")) == ("fake", ["car:7"])
    assert status["model"] == "fake"
    assert capfd.readouterr().err.count("cannot change to") == 1
    graph.publisher().publish(image(picture()))
    eventually(lambda: masks, "a mask of the old model")
    assert all(each.closed for each in models.opened[1:])


def test_what_can_be_known_at_once_is_refused_at_once(graph, models):
    node = graph.start(models, model="fake", remap=["road:1"])
    node._find_model = models.find
    graph.publisher()
    assert "check the name" in set_parameter(graph, "model", "nowhere").reason
    assert "expected one of" in set_parameter(graph, "engine", "abacus").reason
    assert "ground" in set_parameter(graph, "remap", ["ground:1"]).reason
    assert set_together(graph, model="line", remap=["ground:1"]).successful
    eventually(lambda: node._model.name == "line", "remap that fits the model it comes with")
    assert "road" in set_parameter(graph, "remap", ["road:1"]).reason
    assert len(models.opened) == 2


@pytest.mark.parametrize("end", ["cleanup", "shutdown", "close"])
def test_a_node_that_goes_while_a_model_loads_frees_both(graph, models, end):
    node = graph.start(models, model="fake")
    graph.publisher()
    models.entered.clear()
    models.go.clear()
    assert set_parameter(graph, "model", "line").successful
    eventually(lambda: models.entered.is_set() and node._loading is not None, "a change loading")
    if end == "cleanup":
        assert change_state(graph, Transition.TRANSITION_DEACTIVATE)
        assert change_state(graph, Transition.TRANSITION_CLEANUP)
    elif end == "shutdown":
        assert change_state(graph, Transition.TRANSITION_ACTIVE_SHUTDOWN)
    assert not node.close(), "a thread still loads"
    assert models.opened[0].closed
    models.go.set()
    eventually(lambda: len(models.opened) == 2 and models.opened[1].closed, "what has loaded in vain freed")
    eventually(node.close, "nothing at work")


def test_an_inactive_node_changes_its_model_too(graph, models):
    node = graph.start(models, model="fake", autostart=False)
    assert change_state(graph, Transition.TRANSITION_CONFIGURE)
    assert set_parameter(graph, "model", "line").successful
    eventually(lambda: node._model.name == "line", "the change")
    masks = graph.listen(Image, "segmentation/mask")
    assert change_state(graph, Transition.TRANSITION_ACTIVATE)
    graph.publisher().publish(image(picture()))
    assert set(pixels(eventually(lambda: masks, "a mask")[0]).ravel()) == {1}
