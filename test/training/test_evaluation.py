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

"""Whole frames: the plain way is the node's, and each option is what its definition says."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from networks import trained_like
from random_model_folder import picture

from gain_ros.fit import FITS, place, seen_part, whole
from gain_ros.model.deploy import LogitsForm
from gain_ros.model_folder import IMAGENET_MEAN, IMAGENET_STD
from gain_ros.resize import labels_from_logits, resize_input
from training.evaluation import EvaluationOptions, Evaluator, spans

SIZE = (64, 96)


@pytest.fixture(scope="module")
def network():
    return trained_like("gain_nano", 5, channels=16)


def upsampled_probabilities(network, image, size=SIZE):
    logits = LogitsForm(network, IMAGENET_MEAN, IMAGENET_STD)(torch.from_numpy(np.ascontiguousarray(image))[None])
    return torch.nn.functional.interpolate(logits, size=size, mode="bilinear").softmax(1)


def expected(probabilities, size):
    return labels_from_logits(probabilities.log()[0].numpy(), size, confidence=True)


def same(result, by_hand):
    """Labels apart from ties within float rounding, confidence apart from rounding to 8 bit."""
    labels, confidence = result
    return (labels == by_hand[0]).mean() > 0.999 and np.abs(confidence.astype(int) - by_hand[1]).max() <= 1


def test_without_options_it_is_the_step_of_the_engines(network):
    frame = picture(90, 160)
    logits = LogitsForm(network, IMAGENET_MEAN, IMAGENET_STD)(torch.from_numpy(resize_input(frame, SIZE))[None])
    labels, confidence = labels_from_logits(logits[0].numpy(), (90, 160), confidence=True)
    result = Evaluator(network, SIZE)(frame)
    assert len(np.unique(labels)) > 1
    assert np.array_equal(result[0], labels)
    assert np.array_equal(result[1], confidence)


def test_labels_come_at_the_size_of_the_truth(network):
    assert Evaluator(network, SIZE)(picture(90, 160), (45, 80))[0].shape == (45, 80)


@pytest.mark.parametrize("fit", FITS)
def test_other_shapes_go_in_as_the_node_s(network, fit):
    frame = picture(90, 200)
    region = seen_part((90, 200), SIZE, fit)
    part = np.ascontiguousarray(frame[region.slices])
    placement = place(part.shape[:2], SIZE, fit)
    form = LogitsForm(network, IMAGENET_MEAN, IMAGENET_STD)
    logits = placement.cut(form(torch.from_numpy(placement.shown(part, IMAGENET_MEAN))[None])[0].numpy())
    by_hand = labels_from_logits(logits, region.size, confidence=True)
    labels, confidence = Evaluator(network, SIZE, EvaluationOptions(fit=fit))(frame)
    assert np.array_equal(labels, whole(by_hand[0], region, (90, 200)))
    assert np.array_equal(confidence, whole(by_hand[1], region, (90, 200), outside=0))
    assert ((labels == 255).any(), (confidence[labels == 255] == 0).all()) == (fit == "crop", True)
    assert Evaluator(network, SIZE, EvaluationOptions(fit=fit))(frame, (45, 100))[0].shape == (45, 100)


def test_several_passes_know_no_padding(network):
    assert Evaluator(network, SIZE, EvaluationOptions(fit="crop", flip=True))(picture(90, 200))[0].shape == (90, 200)
    with pytest.raises(ValueError, match=r"evaluation\.fit is letterbox; expected stretch or crop with scales"):
        EvaluationOptions(fit="letterbox", scales=(1.0, 1.5))


def test_flip_averages_with_the_mirrored_frame(network):
    frame = picture(64, 96)
    mirrored = upsampled_probabilities(network, frame[:, ::-1]).flip(3)
    by_hand = expected((upsampled_probabilities(network, frame) + mirrored) / 2, SIZE)
    result = Evaluator(network, SIZE, EvaluationOptions(flip=True))(frame)
    assert same(result, by_hand)
    assert not same(Evaluator(network, SIZE)(frame), by_hand)


def test_scales_are_averaged(network):
    frame = picture(90, 160)
    sizes = [(64, 96), (96, 144)]
    by_hand = sum(upsampled_probabilities(network, resize_input(frame, size)) for size in sizes) / 2
    result = Evaluator(network, SIZE, EvaluationOptions(scales=(1.0, 1.5)))(frame)
    assert same(result, expected(by_hand, (90, 160)))


def test_windows_are_averaged_where_they_overlap(network):
    frame = picture(64, 96)
    form = LogitsForm(network, IMAGENET_MEAN, IMAGENET_STD)
    total, count = torch.zeros(1, 5, *SIZE), torch.zeros(SIZE)
    for left in (0, 32):
        part = torch.from_numpy(np.ascontiguousarray(frame[:, left : left + 64]))[None]
        total[..., left : left + 64] += torch.nn.functional.interpolate(form(part), size=(64, 64), mode="bilinear")
        count[:, left : left + 64] += 1
    result = Evaluator(network, SIZE, EvaluationOptions(window=(64, 64), overlap=0.5))(frame)
    assert same(result, expected((total / count).softmax(1), SIZE))
    whole = Evaluator(network, SIZE, EvaluationOptions(window=(640, 640)))(frame)
    assert same(whole, expected(upsampled_probabilities(network, frame), SIZE))


@pytest.mark.parametrize(("length", "window", "overlap"), [(100, 30, 0.5), (97, 30, 0.34), (30, 30, 0.5), (20, 30, 0)])
def test_windows_cover_everything_and_overlap_enough(length, window, overlap):
    found = list(spans(length, window, overlap))
    assert found[0][0] == 0
    assert found[-1][1] == length
    assert all(end - start == min(window, length) for start, end in found)
    assert all(a[1] - b[0] >= int(window * overlap) for a, b in itertools.pairwise(found))


def test_training_afterwards_does_not_reach_the_copy(network):
    evaluator = Evaluator(network, SIZE)
    before = evaluator(picture(64, 96))[0]
    state = {name: value.clone() for name, value in network.state_dict().items()}
    network.classifier.bias.add_(torch.tensor([50.0, 0, 0, 0, 0]))
    assert np.array_equal(evaluator(picture(64, 96))[0], before)
    network.load_state_dict(state)


@pytest.mark.parametrize("wrong", [{"scales": ()}, {"scales": (0.0, 1.0)}, {"overlap": 1.0}])
def test_options_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        EvaluationOptions(**wrong)
