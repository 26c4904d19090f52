"""Write a model folder's deployment graph as ONNX, and check it against PyTorch on the folder's golden picture."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from gain_ros.cli.common import CHECK_FAILED, DONE, add_json, frame_size, has_module, print_json
from gain_ros.errors import UsageError
from gain_ros.files import sha256


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="M", help="model folder, or name of a shipped model")
    parser.add_argument("--onnx", required=True, type=Path, metavar="F", help="the file to write")
    parser.add_argument(
        "--form", choices=("labels", "logits"), default="labels",
        help="labels: camera picture to mask and confidence; logits: network picture to the head's logits",
    )  # fmt: skip
    parser.add_argument("--size", type=frame_size, metavar="HxW", help="fix height and width; default: both dynamic")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    for library in ("torch", "onnx", "onnxruntime"):
        if not has_module(library):
            raise UsageError(f"export needs {library}, which is not installed; pip install -r requirements-dev.txt")
    from gain_ros.model_folder import find_model, read_model_folder
    from gain_ros.onnx.export import export_onnx
    from gain_ros.score import MIN_AGREEMENT

    model_folder = read_model_folder(find_model(args.model))
    if not args.onnx.parent.is_dir():
        raise UsageError(f"--onnx {str(args.onnx)!r}: its folder does not exist; make it first")
    export_onnx(model_folder.path, args.onnx, args.form, args.size)
    parity = _parity(model_folder, args.onnx, args.form, args.size)
    result = {
        "path": str(args.onnx),
        "sha256": sha256(args.onnx),
        "parity": parity,
        "form": args.form,
    }
    if args.json:
        print_json(result)
    else:
        print(f"{args.onnx}: {args.form} form, {100 * parity:.3f} % of the golden pixels as in PyTorch")
    return DONE if parity >= MIN_AGREEMENT else CHECK_FAILED


def _parity(model_folder: Any, path: Path, form: str, size: tuple[int, int] | None) -> float:
    """Share of the golden picture's pixels to which the exported graph and PyTorch give the same label."""
    import onnxruntime
    import torch

    from gain_ros.model import load_model
    from gain_ros.model.deploy import LabelsForm, LogitsForm
    from gain_ros.onnx.export import INPUTS
    from gain_ros.resize import labels_from_logits, resize_input
    from gain_ros.score import agreement

    rgb, _ = model_folder.golden()
    network = load_model(model_folder.path)
    if form == "labels":
        graph, frame = (
            LabelsForm(network, model_folder.mean, model_folder.std, model_folder.input_size),
            resize_input(rgb, size or rgb.shape[:2]),
        )
    else:
        graph, frame = (
            LogitsForm(network, model_folder.mean, model_folder.std),
            resize_input(rgb, size or model_folder.input_size),
        )
    with torch.inference_mode():
        expected = graph.eval()(torch.from_numpy(frame.copy())[None])
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(None, {INPUTS[form]: frame[None]})
    if form == "labels":
        return agreement(found[0][0], expected[0][0].numpy())
    return agreement(*(labels_from_logits(each, rgb.shape[:2])[0] for each in (found[0][0], expected[0].numpy())))
