"""What this machine can do: ROS, engines, GPU, models, caches, frames between processes; one line of advice each."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

from gain_ros.cli.common import DEFAULT_MODEL, DONE, add_json, has_module, print_json, say

_ENOUGH = 0.97  # of the frames sent
_ROS_PACKAGES = ("sensor_msgs", "std_msgs", "std_srvs", "diagnostic_msgs", "lifecycle_msgs")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--prune", action="store_true", help="first delete TensorRT engines that are damaged or not for this machine"
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    from gain_ros.doctor.tensorrt import look_at_tensorrt, prune

    if args.prune:
        for line in prune():
            say(args, f"deleted {line}")
    found: dict[str, Any] = {}
    sections: tuple[tuple[str, Callable[[], tuple[Any, list[str], str]]], ...] = (
        ("ros", _ros),
        ("engines", _engines),
        ("gpu", _gpu),
        ("tensorrt", look_at_tensorrt),
        ("models", _models),
        ("caches", _caches),
        ("loopback", _loopback),
    )
    advice = {}
    for name, look in sections:
        found[name], lines, advice[name] = look()
        say(args, name)
        for line in lines:
            say(args, f"  {line}")
        say(args, f"  -> {advice[name]}")
    if args.json:
        print_json({**found, "advice": advice})
    return DONE


def _ros() -> tuple[dict[str, Any], list[str], str]:
    if not has_module("rclpy"):
        return {"installed": False}, ["not installed"], "source a ROS 2 workspace, or pip install -r requirements.txt"
    import rclpy

    missing = [name for name in _ROS_PACKAGES if not has_module(name)]
    distro = os.environ.get("ROS_DISTRO")
    ros = {
        "installed": True,
        "distro": distro,
        "wheels": has_module("ros_wheels_bootstrapper"),
        "rmw": rclpy.get_rmw_implementation_identifier(),
        "domain": int(os.environ.get("ROS_DOMAIN_ID") or 0),
        "missing": missing,
        "vision_msgs": has_module("vision_msgs"),
    }
    home = "community wheels (for trying and for tests)" if ros["wheels"] else f"distribution {distro}"
    lines = [f"{home}, {ros['rmw']}, domain {ros['domain']}"]
    if missing:
        return ros, lines, f"install the messages that the node needs: {' '.join(missing)}"
    if not ros["vision_msgs"]:
        return ros, lines, "fine; vision_msgs is not installed, so label_info comes as JSON alone"
    return ros, lines, "fine"


def _engines() -> tuple[list[dict[str, Any]], list[str], str]:
    from gain_ros.runtime.engines import ENGINES, available_engines

    rows, lines = [], []
    for name in ENGINES:
        row: dict[str, Any] = {"name": name, "installed": name in available_engines()}
        if row["installed"]:
            try:
                row["version"], row["devices"] = _DEVICES[name]()
            except Exception as error:  # a library that is there and cannot be loaded may raise anything
                row["error"] = " ".join(str(error).split())
        rows.append(row)
        state = row.get("error") or f"{row.get('version', 'not installed')} {', '.join(row.get('devices', []))}"
        lines.append(f"{name:12} {state}".rstrip())
    usable = [row["name"] for row in rows if "version" in row]
    if not usable:
        return rows, lines, "install one: pip install onnxruntime"
    if len(usable) == 1 and usable[0] != "openvino":
        return rows, lines, "fine; pip install openvino may be faster on a CPU, engine auto measures"
    return rows, lines, "fine; engine auto measures them once and takes the fastest"


def _onnxruntime() -> tuple[str, list[str]]:
    import onnxruntime

    return onnxruntime.__version__, onnxruntime.get_available_providers()


def _openvino() -> tuple[str, list[str]]:
    import openvino

    return openvino.__version__.partition("-")[0], openvino.Core().available_devices


def _torch() -> tuple[str, list[str]]:
    import torch

    return torch.__version__, ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]


def _tensorrt() -> tuple[str, list[str]]:
    from gain_ros.runtime.tensorrt.build import load_tensorrt
    from gain_ros.runtime.tensorrt.cudart import open_cuda

    return load_tensorrt().__version__, [f"cuda ({open_cuda().gpu})"]


_DEVICES = {"tensorrt": _tensorrt, "onnxruntime": _onnxruntime, "openvino": _openvino, "torch": _torch}


def _gpu() -> tuple[dict[str, Any], list[str], str]:
    names: list[str] = []
    if shutil.which("nvidia-smi"):
        query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
        listing = subprocess.run(query, capture_output=True, text=True, timeout=20, check=False)
        names = [line.strip() for line in listing.stdout.splitlines() if listing.returncode == 0 and line.strip()]
    if not names:
        return {"names": [], "usable": False}, ["none found"], "fine; the shipped model is made for CPUs too"
    usable = any("cuda" in device.lower() for row in _engines()[0] for device in row.get("devices", []))
    advice = "fine" if usable else "no installed engine can use it: install tensorrt (docs/tensorrt.md)"
    return {"names": names, "usable": usable}, names, advice


def _models() -> tuple[list[dict[str, Any]], list[str], str]:
    from gain_ros.model_folder import shipped_models

    rows = [_check_model(folder) for folder in shipped_models()]
    lines = [f"{row['name']:24} {row['state']}" for row in rows]
    if not rows:
        return rows, ["none"], f"a checkout or an installed package holds {DEFAULT_MODEL}; get it again"
    broken = [row["name"] for row in rows if not row["good"]]
    return rows, lines, f"do not use {', '.join(broken)}: get them again" if broken else "fine"


def _check_model(folder: Any) -> dict[str, Any]:
    """Hashes, and the golden pair through every engine that is installed."""
    from gain_ros.errors import ModelFolderError
    from gain_ros.model_folder import read_model_folder
    from gain_ros.runtime.engines import available_engines

    row: dict[str, Any] = {"name": folder.name, "path": str(folder), "good": False, "golden": {}}
    try:
        row["sha256"] = read_model_folder(folder).digest
    except ModelFolderError as error:
        return row | {"state": str(error)}
    row["golden"] = {engine: _golden_state(folder, engine) for engine in available_engines()}
    good = [engine for engine, state in row["golden"].items() if state == "right"]
    wrong = [engine for engine, state in row["golden"].items() if state not in ("right", "cannot run")]
    row["good"] = bool(good) and not wrong
    row["state"] = f"hashes right, golden pair right on {', '.join(good) or 'no engine'}"
    if wrong:
        row["state"] += f", WRONG on {', '.join(wrong)}"
    return row


def _golden_state(folder: Any, engine: str) -> str:
    from gain_ros.errors import EngineUnavailable, GoldenMismatch
    from gain_ros.runtime.opening import open_segmenter

    try:
        open_segmenter(folder, engine=engine).close()
    except GoldenMismatch as error:
        return str(error)
    except EngineUnavailable:
        return "cannot run"
    return "right"


def _caches() -> tuple[dict[str, Any], list[str], str]:
    from gain_ros.runtime.fastest import cache_file

    file = cache_file()
    known = file.is_file()
    writable = os.access(next(parent for parent in file.parents if parent.exists()), os.W_OK)
    state = f"{file} ({file.stat().st_size} bytes)" if known else f"{file} (not there yet)"
    advice = (
        "fine"
        if writable
        else f"{file.parent} cannot be written: engines are measured at every start; set XDG_CACHE_HOME"
    )
    return {"auto": str(file), "exists": known, "writable": writable}, [state], advice


def _loopback() -> tuple[dict[str, Any] | None, list[str], str]:
    """Camera frames between two processes, with the middleware as it is and with the shipped profile."""
    if not has_module("rclpy"):
        return None, ["not measured: no ROS"], "install ROS first"
    from dataclasses import asdict

    from gain_ros.doctor.loopback import FRAME_SIZE, measure
    from gain_ros.errors import GraphError
    from gain_ros.evaluation.live.graph import fastdds_profile

    profile = fastdds_profile()
    try:
        seen = {"default": measure(None)}
        if profile is not None:
            seen["profile"] = measure(profile)
    except GraphError as error:
        return None, str(error).splitlines(), "two processes do not find each other: is multicast on lo blocked?"
    size = f"{FRAME_SIZE[0]}x{FRAME_SIZE[1]}"
    lines = [
        f"{name:8} {each.received} of {each.sent} frames of {size} at 30 Hz, "
        + (f"{each.latency_ms:.1f} ms" if each.latency_ms is not None else "nothing arrived")
        for name, each in seen.items()
    ]
    return {name: asdict(each) for name, each in seen.items()}, lines, _loopback_advice(seen, profile)


def _loopback_advice(seen: dict[str, Any], profile: Any) -> str:
    share = {name: each.received / each.sent for name, each in seen.items()}
    active = os.environ.get("FASTDDS_DEFAULT_PROFILES_FILE") or os.environ.get("FASTRTPS_DEFAULT_PROFILES_FILE")
    if share["default"] >= _ENOUGH:
        return "fine"
    if active:
        return f"frames are lost with the defaults; this shell sets {active}: set it for the camera's driver too"
    if share.get("profile", 0) > share["default"]:
        return f"for camera driver and node: export FASTDDS_DEFAULT_PROFILES_FILE={profile} (docs/transport.md)"
    return "large frames are lost; docs/transport.md tells what to set for your middleware"
