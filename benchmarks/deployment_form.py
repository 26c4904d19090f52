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

"""The deployment form against a plain export of the same network, in ONNX Runtime on the CPU, taking turns.

    python benchmarks/deployment_form.py [--size 960x720] [--rounds 15]

Both graphs go from uint8 N×h×w×3 to the head's logits. Weights are random: speed does not depend on them. Prints a
Markdown table of medians in milliseconds; a row's two columns were measured in alternation, so their ratio holds even
on a busy machine.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from gain_ros.cli.common import frame_size
from gain_ros.model import GAIN, build
from gain_ros.model.deploy import LogitsForm
from gain_ros.model_folder import IMAGENET_MEAN, IMAGENET_STD
from gain_ros.onnx.export import write_onnx


class PlainForm(nn.Module):
    """The training form as it is, behind the same input."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: GAIN) -> None:
        super().__init__()
        self.model = model.eval()
        self.register_buffer("mean", 255 * torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return self.model.features((images.permute(0, 3, 1, 2).float() - self.mean) / self.std)[0]


def session(graph: nn.Module, size: tuple[int, int], folder: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    path = write_onnx(graph, folder / f"{type(graph).__name__}.onnx", size, size)
    return onnxruntime.InferenceSession(path, options)


def medians_ms(sessions: list[onnxruntime.InferenceSession], images: np.ndarray, rounds: int) -> list[float]:
    times: list[list[float]] = [[] for _ in sessions]
    for _ in range(rounds + 1):
        for each, own in zip(sessions, times, strict=True):
            start = time.perf_counter()
            each.run(None, {"images": images})
            own.append(1e3 * (time.perf_counter() - start))
    return [float(np.median(own[1:])) for own in times]  # the first round warms up


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=frame_size, default="960x720", metavar="WxH")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    height, width = size = given.size
    images = np.random.default_rng(0).integers(0, 256, (1, *size, 3), np.uint8)
    print(f"| network at {width}x{height} | plain export | deployment form | ratio |\n|---|---|---|---|")
    for architecture in ("gain_r18", "gain_df2", "gain_nano"):
        model = build(architecture, 11).eval().requires_grad_(False)
        with tempfile.TemporaryDirectory() as folder:
            pair = [
                session(form, size, Path(folder), given.threads)
                for form in (PlainForm(model), LogitsForm(model, IMAGENET_MEAN, IMAGENET_STD))
            ]
            plain, deployed = medians_ms(pair, images, given.rounds)
        print(f"| {architecture} | {plain:.1f} ms | {deployed:.1f} ms | {plain / deployed:.2f} |", flush=True)


if __name__ == "__main__":
    main()
