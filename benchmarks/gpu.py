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

"""The operator and the networks on one NVIDIA GPU: right first, then timed.

    python benchmarks/gpu.py [--out gpu.json] [--quick]

1. Every kernel against the plain form in fp64 on random inputs, its output memory poisoned before. A miss ends the run.
2. GAI at 256x128 and 120x90: the published form in eager PyTorch, folded, folded and compiled, two flex_attention calls
   merged by their log-sum-exp, and the fused kernels: median and p99, bytes, scratch memory.
3. The networks at three sizes: eager fp32 by the paper's protocol (20 calls to warm up, 480 timed, synchronised each,
   logits at full size; cuDNN's TF32 as PyTorch has it by default), fp16 with the fused kernels as a CUDA graph, and
   TensorRT where it can be imported. "gpu" is from device memory to device memory, "host" from uint8 frames in host
   memory to uint8 labels there.

Weights are random with settled batch norms: speed does not depend on them. Results go to standard output as Markdown
and to ``--out`` as JSON with date, GPU, driver and versions. ``--dry`` runs every part at toy sizes on the CPU, kernels
in Triton's interpreter: it proves that the script runs and measures nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import gc
import importlib
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

MEAN, STD, CLASSES = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 19
KEYS, VALUES, CHANNELS = 8, 64, 128


@dataclass(frozen=True)
class Plan:
    """What one run covers. ``rounds`` are timed calls after ``warm_up`` ones."""

    device: str
    warm_up: int
    rounds: int
    checked: tuple[tuple[int, int], ...]
    gai: tuple[tuple[tuple[int, int], tuple[int, int]], ...]  # size of the guide, of the deep map
    networks: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]


FULL = Plan(
    "cuda", 20, 480, ((128, 256), (90, 120), (1, 7), (7, 1), (1, 1), (33, 65)),
    (((128, 256), (64, 128)), ((90, 120), (45, 60))),
    ("gain_nano", "gain_r18", "gain_df2"), ((1024, 2048), (720, 960), (360, 480)),
)  # fmt: skip
DRY = Plan("cpu", 0, 1, ((1, 2),), (((2, 3), (1, 2)),), ("gain_nano",), ((8, 8),))


class Meter:
    """Times calls on one device, each synchronised, and the memory that they take above what is there."""

    def __init__(self, plan: Plan):
        self.plan = plan

    def milliseconds(self, call: Callable[[], object]) -> dict[str, float]:
        for _ in range(self.plan.warm_up):
            call()
        times = sorted(self._once(call) for _ in range(self.plan.rounds))
        return {"p50_ms": statistics.median(times), "p99_ms": times[math.ceil(0.99 * len(times)) - 1]}

    def scratch_mb(self, call: Callable[[], object]) -> float:
        """Most memory that one call holds at a time beyond what it was given, its result included."""
        import torch

        if self.plan.device != "cuda":
            call()
            return 0.0
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - before) / 1e6

    def _once(self, call: Callable[[], object]) -> float:
        start = time.perf_counter()
        call()
        if self.plan.device == "cuda":
            import torch

            torch.cuda.synchronize()
        return 1e3 * (time.perf_counter() - start)


def machine(plan: Plan) -> dict[str, Any]:
    """Where and with what this was measured."""
    import torch

    versions = {"python": platform.python_version()}
    for name in ("torch", "triton", "tensorrt"):
        with contextlib.suppress(Exception):  # absent, or broken: then it is not measured either
            versions[name] = importlib.import_module(name).__version__
    driver = ""
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        query = ["nvidia-smi", "--query-gpu=driver_version,clocks.sm,clocks.max.sm", "--format=csv,noheader"]
        driver = subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    return {
        "date": datetime.date.today().isoformat(),
        "gpu": torch.cuda.get_device_name() if plan.device == "cuda" else "none: a dry run, no measurement",
        "driver, clock, highest clock": driver,
        "cuda": torch.version.cuda,
        "versions": versions,
        "cudnn": {"benchmark": torch.backends.cudnn.benchmark, "allow_tf32": torch.backends.cudnn.allow_tf32},
    }


def settled(network: Any, size: tuple[int, int]) -> Any:
    """Open the network's gates and fit its batch norms to its random weights: nothing overflows in fp16."""
    import torch

    from gain_ros.model import GAI

    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
        if isinstance(module, GAI):
            torch.nn.init.constant_(module.gamma, 0.5)
    with torch.no_grad():
        network.train()(torch.randn(2, 3, *size))
    return network.eval().requires_grad_(False)


def random_maps(size: tuple[int, int], dtype: Any, device: str) -> list[Any]:
    """q, k, v, x as the folded form has them: slices of one channels_last map."""
    import torch

    torch.manual_seed(1)
    deep = torch.randn(1, 2 * KEYS + 2 * VALUES, *size, device=device).to(dtype, memory_format=torch.channels_last)
    return list(deep.split((KEYS, KEYS, VALUES, VALUES), dim=1))


def check(plan: Plan) -> list[dict[str, Any]]:
    """Every kernel against its plain form; rows with the largest error and the bound it has to keep."""
    import torch

    rows: list[dict[str, Any]] = []
    torch.use_deterministic_algorithms(True, warn_only=True)  # fills new memory with NaN
    for size in plan.checked:
        for dtype, bound in ((torch.float32, 1e-5), (torch.float16, 1e-2), (torch.bfloat16, 8e-2)):
            if plan.device == "cuda" or dtype != torch.bfloat16:
                rows += check_attention(size, dtype, bound, plan.device)
    rows += check_pixels(plan.device)
    rows += check_network(plan.device)
    torch.use_deterministic_algorithms(False)
    return rows


def check_attention(size: tuple[int, int], dtype: Any, bound: float, device: str) -> list[dict[str, Any]]:
    from gain_ros.model.gai import criss_cross_attention
    from gain_ros.model.kernels import fused_attend

    rows = []
    for sharpness in (1, 30):
        q, k, v, x = random_maps(size, dtype, device)
        q = sharpness * q
        exact = x.double() + criss_cross_attention(q.double(), k.double(), v.double())
        error = float((fused_attend(q, k, v, x) - exact).abs().max())
        what = f"attention {size[1]}x{size[0]} {str(dtype).removeprefix('torch.')} energies x{sharpness}"
        rows.append({"what": what, "error": error, "bound": sharpness**0.5 * bound})
    return rows


def check_pixels(device: str) -> list[dict[str, Any]]:
    import numpy as np
    import torch

    from gain_ros.frames import rgb_from_array, shape_of
    from gain_ros.model.deploy import resize_input
    from gain_ros.model.gai import upsample
    from gain_ros.model.kernels import label_map, normalise

    height, width = (90, 120) if device == "cuda" else (2, 3)
    logits = 3 * torch.randn(1, CLASSES, height, width, device=device)
    rows = []
    for factor in (4, 8) if device == "cuda" else (4,):
        size = (height * factor, width * factor)
        labels, confidence = label_map(logits, size)
        full = upsample(logits.double(), size)
        wrong = float((labels != full.argmax(1)).double().mean())
        sure = (255 * full.softmax(1).amax(1) - confidence).abs().max()
        rows.append({"what": f"labels x{factor}: share of other pixels", "error": wrong, "bound": 1e-3})
        rows.append({"what": f"confidence x{factor}", "error": float(sure), "bound": 1.01})
    frames = torch.randint(0, 256, (1, 6, 8, 3), dtype=torch.uint8, device=device)
    mean, scale = 255 * torch.tensor(MEAN, device=device), 1 / (255 * torch.tensor(STD, device=device))
    expected = (frames.permute(0, 3, 1, 2).double() - mean.view(3, 1, 1)) * scale.view(3, 1, 1)
    error = float((normalise(frames, mean, scale, dtype=torch.float32) - expected).abs().max())
    rows.append({"what": "normalise", "error": error, "bound": 1e-5})
    levels = normalise(frames, torch.zeros_like(mean), torch.ones_like(scale), (3, 5), torch.float32)
    error = float((levels - resize_input(frames.permute(0, 3, 1, 2).float(), (3, 5))).abs().max())
    rows.append({"what": "normalise from 6x8 to 3x5, in 8-bit levels", "error": error, "bound": 1.0})
    for encoding in ("nv12", "yuyv"):
        given = np.random.default_rng(0).integers(0, 256, shape_of((6, 8), encoding), np.uint8)
        rgb, yuv = (torch.from_numpy(each)[None].to(device) for each in (rgb_from_array(given), given))
        planes = [normalise(each, mean, scale, dtype=torch.float32) for each in (rgb, yuv)]
        error = float((planes[0] - planes[1]).abs().max())
        rows.append({"what": f"normalise {encoding}, against OpenCV", "error": error, "bound": 1e-5})
    return rows


def check_network(device: str) -> list[dict[str, Any]]:
    """Compare the whole fused form in fp16 with the plain one in fp32."""
    import torch

    from gain_ros.model import build
    from gain_ros.model.deploy import LabelsForm
    from gain_ros.model.kernels import FusedForm

    size = (360, 480) if device == "cuda" else (8, 8)
    network = settled(build("gain_nano", CLASSES), (64, 96))
    frames = torch.nn.functional.interpolate(255 * torch.rand(1, 3, 9, 12), size, mode="bicubic").clamp(0, 255)
    frames = frames.permute(0, 2, 3, 1).to(torch.uint8).contiguous().to(device)
    with torch.inference_mode():
        expected = LabelsForm(network, MEAN, STD, size).to(device)(frames)[0]
        found = FusedForm(network, MEAN, STD, size).to(device)(frames)[0]
    share = float((found != expected).double().mean())
    return [{"what": "network in fp16: share of other pixels (random weights)", "error": share, "bound": 0.02}]


def gai_rows(plan: Plan, meter: Meter) -> list[dict[str, Any]]:
    """Measure one GAI, two passes, in each of its forms.

    Bytes are what its operators read and write, where they are seen; "off" is the largest difference from the first
    form's result.
    """
    import torch

    rows = []
    for low_size, high_size in plan.gai:
        torch.manual_seed(2)
        low, high = (torch.randn(1, CHANNELS, *size, device=plan.device) for size in (low_size, high_size))
        reference = None
        for name, make in gai_forms(plan):
            row: dict[str, Any] = {"size": f"{low_size[1]}x{low_size[0]}", "form": name}
            try:
                call = make(low, high)
                found = call().float()
                reference = found if reference is None else reference
                row["off"] = float((found - reference).abs().max())
                row |= meter.milliseconds(call) | {"scratch_mb": None, "bytes_mb": None}
                if not name.endswith("CUDA graph"):  # a replay calls no operator, and its memory is set aside before
                    row["scratch_mb"] = meter.scratch_mb(call)
                    if not name.startswith(("compiled", "flex")):
                        row["bytes_mb"] = moved_mb(call) + fused_mb(low_size) * name.startswith("fused")
            except Exception as error:  # a form that this PyTorch cannot build is a row that says so
                row["error"] = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            rows.append(row)
            print_row(row)
    return rows


def gai_forms(plan: Plan) -> list[tuple[str, Callable[[Any, Any], Callable[[], Any]]]]:
    import torch

    from gain_ros.model import GAI
    from gain_ros.model.deploy import FoldedGAI
    from gain_ros.model.kernels import use_fused_attention

    def ready(module: Any, dtype: Any, low: Any, high: Any, *, wrap: Callable = lambda module: module) -> Callable:
        layout = torch.channels_last if dtype == torch.float16 else torch.contiguous_format
        module = wrap(module.to(plan.device, dtype, memory_format=layout))
        inputs = [each.to(dtype, memory_format=layout) for each in (low, high)]

        def call() -> object:
            with torch.inference_mode():
                return module(*inputs)

        return call

    def gai() -> GAI:
        torch.manual_seed(3)
        module = GAI(CHANNELS).eval().requires_grad_(False)
        torch.nn.init.constant_(module.gamma, 0.5)
        return module

    def with_attend(attend: Callable | None) -> FoldedGAI:
        module = FoldedGAI(gai())
        if attend is None:
            use_fused_attention(module)
        else:
            module.attend = attend
        return module

    def compiled(module: Any) -> Any:
        if plan.device == "cpu":  # a dry run has no compiler to count on
            return torch.compile(module, backend="eager")
        torch._dynamo.reset()  # each size on its own, never a graph for all of them
        return torch.compile(module, mode="max-autotune-no-cudagraphs", dynamic=False)

    half = torch.float16
    flex = flex_attend(plan)
    return [
        ("eager reference, fp32", lambda *maps: ready(gai(), torch.float32, *maps)),
        ("eager reference, fp16", lambda *maps: ready(gai(), half, *maps)),
        ("folded, fp16", lambda *maps: ready(FoldedGAI(gai()), half, *maps)),
        ("compiled reference, fp16", lambda *maps: ready(gai(), half, *maps, wrap=compiled)),
        ("compiled folded, fp16", lambda *maps: ready(FoldedGAI(gai()), half, *maps, wrap=compiled)),
        (
            "compiled folded, fp16, CUDA graph",
            lambda *maps: recorded(ready(FoldedGAI(gai()), half, *maps, wrap=compiled), plan),
        ),
        ("flex_attention x2, fp16", lambda *maps: ready(with_attend(flex), half, *maps)),
        ("fused, fp16", lambda *maps: ready(with_attend(None), half, *maps)),
        ("fused, fp16, CUDA graph", lambda *maps: recorded(ready(with_attend(None), half, *maps), plan)),
    ]


def flex_attend(plan: Plan) -> Callable:
    """Make x + attention by two flex_attention calls, along columns and rows, merged by their log-sum-exp."""
    import torch
    from torch.nn.attention.flex_attention import AuxRequest, flex_attention

    attention: Any = torch.compile(flex_attention) if plan.device == "cuda" else flex_attention

    def others(score: Any, batch: Any, head: Any, query: Any, key: Any) -> Any:
        return torch.where(query == key, -float("inf"), score)

    def attend(q: Any, k: Any, v: Any, x: Any, gamma: None = None) -> Any:
        q, k = (torch.nn.functional.pad(each, (0, 0, 0, 0, 0, 16 - KEYS)) for each in (q, k))

        def along(order: tuple[int, ...], score: Callable | None) -> tuple[Any, Any]:
            lines = [each.permute(order).flatten(0, 1).unsqueeze(1).contiguous() for each in (q, k, v)]
            out, beside = attention(*lines, score_mod=score, scale=1.0, return_aux=AuxRequest(lse=True))
            n = len(x)
            return out[:, 0].unflatten(0, (n, -1)), beside.lse[:, 0].unflatten(0, (n, -1))

        column, column_lse = along((0, 3, 2, 1), others)  # N W H C
        row, row_lse = along((0, 2, 3, 1), None)  # N H W C
        share = torch.sigmoid(column_lse.transpose(1, 2).float() - row_lse.float()).unsqueeze(3).to(x.dtype)
        return x + (row + share * (column.transpose(1, 2) - row)).permute(0, 3, 1, 2)

    return attend


def moved_mb(call: Callable[[], object]) -> float:
    """Return what the operators of one call read and write, views left out, in MB."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Counter(TorchDispatchMode):
        total = 0

        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = function(*args, **(kwargs or {}))
            if not function.is_view and "empty" not in str(function):
                tensors = [each for each in tree_leaves((args, kwargs, result)) if isinstance(each, torch.Tensor)]
                self.total += sum(each.numel() * each.element_size() for each in tensors)
            return result

    with Counter() as counter:
        call()
    return counter.total / 1e6


def fused_mb(size: tuple[int, int]) -> float:
    """Return what the two fused launches of both passes read and write, each tensor once, in MB.

    They are no operators.
    """
    columns = 2 * (2 * KEYS + VALUES + VALUES) + 8  # q, k, v, partial in fp16; maximum and sum in fp32
    rows = columns + 2 * 2 * VALUES  # and x, y
    return 2 * (columns + rows) * size[0] * size[1] / 1e6


def recorded(call: Callable[[], object], plan: Plan) -> Callable[[], object]:
    """Record the call's launches as a CUDA graph."""
    import torch

    if plan.device != "cuda":
        return call
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            call()
    aside.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        keep = call()

    def replay() -> object:
        graph.replay()
        return keep  # the graph writes there

    return replay


def network_rows(plan: Plan, meter: Meter) -> list[dict[str, Any]]:
    import torch

    from gain_ros.model import build

    rows = []
    for architecture in plan.networks:
        network = settled(build(architecture, CLASSES), (64, 96))
        for size in plan.sizes:
            for name, measure in {"eager fp32, paper": eager, "fused fp16": fused, "TensorRT fp16": tensorrt}.items():
                row: dict[str, Any] = {"network": architecture, "size": f"{size[1]}x{size[0]}", "form": name}
                try:
                    row |= measure(network, architecture, size, plan, meter)
                except Exception as error:  # out of memory, or a library that is not here: the others still count
                    row["error"] = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
                rows.append(row)
                print_row(row)
                gc.collect()
                if plan.device == "cuda":
                    torch.cuda.empty_cache()
    return rows


def eager(network: Any, architecture: str, size: tuple[int, int], plan: Plan, meter: Meter) -> dict[str, Any]:
    import torch

    network, image = network.to(plan.device), torch.randn(1, 3, *size, device=plan.device)

    def call() -> object:
        with torch.inference_mode():
            return network(image)

    try:
        return prefixed("gpu", meter.milliseconds(call))
    finally:
        network.cpu()  # the next form starts from there


def fused(network: Any, architecture: str, size: tuple[int, int], plan: Plan, meter: Meter) -> dict[str, Any]:
    """Time the torch engine's GPU form: device to device as recorded, host to host with its copies."""
    import numpy as np
    import torch

    from gain_ros.model.kernels import FusedForm
    from gain_ros.runtime.engines.torch_engine import Eager, Recorded

    form = FusedForm(network, MEAN, STD, size).to(plan.device).eval()
    frames = np.random.default_rng(0).integers(0, 256, (1, *size, 3), np.uint8)
    given = torch.from_numpy(frames).to(plan.device)

    def on_device() -> object:
        with torch.inference_mode():
            return form(given)

    host = Recorded(form, plan.device) if plan.device == "cuda" else Eager(form, plan.device)
    labels, confidence = host(frames)
    result = prefixed("gpu", meter.milliseconds(recorded(on_device, plan)))
    result |= prefixed("host", meter.milliseconds(lambda: host(frames)))
    return result | {"output_mb": (labels.nbytes + confidence.nbytes) / 1e6, "labels_mb": labels.nbytes / 1e6}


def tensorrt(network: Any, architecture: str, size: tuple[int, int], plan: Plan, meter: Meter) -> dict[str, Any]:
    """Time the TensorRT engine, with its copies and without, its cache in a folder that is thrown away."""
    import numpy as np

    from gain_ros.model_folder import read_model_folder
    from gain_ros.runtime.tensorrt.engine import TensorRtEngine
    from gain_ros.runtime.tensorrt.progress import BuildProgress

    with tempfile.TemporaryDirectory() as scratch:
        os.environ["XDG_CACHE_HOME"] = scratch
        folder = model_folder(network, architecture, size, Path(scratch) / architecture)
        engine = TensorRtEngine(read_model_folder(folder), "cuda", precision="fp16", cuda_graph=True)
        started = time.perf_counter()
        engine.prepare((*size, 3), BuildProgress(), accept=True)
        built_s = time.perf_counter() - started
        frames = np.random.default_rng(0).integers(0, 256, (1, *size, 3), np.uint8)
        result = prefixed("host", meter.milliseconds(lambda: engine.labels(frames)))
        engine.close()
        session = engine.store.load((*size, 3))
        assert session is not None, "built above"
        result |= prefixed("gpu", meter.milliseconds(session.compute))
        session.close()
    return result | {"build_s": built_s, "version": engine.version}


def model_folder(network: Any, architecture: str, size: tuple[int, int], folder: Path) -> Path:
    """Write a model folder of these weights, for engines that start from one."""
    import numpy as np
    import torch

    from gain_ros.labels import CITYSCAPES
    from gain_ros.model.deploy import LabelsForm
    from gain_ros.model_folder import write_model_folder

    rgb = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    with torch.inference_mode():
        labels = LabelsForm(network, MEAN, STD, size)(torch.from_numpy(rgb)[None])[0][0].numpy()
    weights = {name: value.numpy() for name, value in network.state_dict().items() if not name.startswith("aux")}
    write_model_folder(
        folder, name=architecture, architecture=architecture, options={}, labels=CITYSCAPES, input_size=size, mean=MEAN,
        std=STD, training={}, metrics={}, licence="none", weights=weights, golden=(rgb, labels), graph=None,
    )  # fmt: skip
    return folder


def prefixed(name: str, values: dict[str, float]) -> dict[str, float]:
    return {f"{name}_{key}": value for key, value in values.items()}


def print_row(row: dict[str, Any]) -> None:
    print("| " + " | ".join(map(cell, row.values())) + " |", flush=True)


def cell(value: Any) -> str:
    if value is None:
        return "not measured"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def print_head(title: str, *columns: str) -> None:
    print(f"\n{title}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("gpu.json"), help="JSON file to write (default: gpu.json)")
    parser.add_argument("--quick", action="store_true", help="48 timed calls in place of 480")
    parser.add_argument("--dry", action="store_true", help="toy sizes on the CPU: proves that the script runs")
    given = parser.parse_args()
    os.environ["TRITON_INTERPRET"] = "1" if given.dry else "0"  # read when triton is imported
    import torch

    if not given.dry and not torch.cuda.is_available():
        print(f"torch {torch.__version__} finds no GPU; --dry runs the script without one", file=sys.stderr)
        return 2
    plan = DRY if given.dry else FULL
    if given.quick:
        plan = replace(plan, rounds=48)
    torch.backends.cudnn.benchmark = False
    meter = Meter(plan)
    result: dict[str, Any] = {"machine": machine(plan), "rounds": plan.rounds}
    print(json.dumps(result["machine"]))
    try:
        print_head("Correctness", "what", "largest error", "bound")
        result["correctness"] = check(plan)
        for row in result["correctness"]:
            print_row(row)
        wrong = [row["what"] for row in result["correctness"] if not row["error"] <= row["bound"]]  # NaN is wrong
        if wrong:
            print(f"wrong: {', '.join(wrong)}; nothing is timed", file=sys.stderr)
            return 1
        print_head("GAI", "size", "form", "off", "p50 ms", "p99 ms", "scratch MB", "bytes MB")
        result["gai"] = gai_rows(plan, meter)
        print_head("Networks", "network", "size", "form", "p50 and p99 ms, gpu then host; output MB")
        result["networks"] = network_rows(plan, meter)
    finally:  # what was measured before a fault is kept
        given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
