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

"""What this machine can do: ROS, engines, GPU, models, caches, frames between processes; one line of advice each."""

from __future__ import annotations

import argparse

from gain_ros.cli.common import CHECK_FAILED, DONE, add_json, complain, print_json, say


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--prune", action="store_true", help="first delete TensorRT engines that are damaged or not for this machine"
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    from gain_ros.doctor.checks import CHECKS
    from gain_ros.doctor.tensorrt import prune

    if args.prune:
        for line in prune():
            say(args, f"deleted {line}")
    findings = []
    for check in CHECKS:
        finding = check()
        findings.append(finding)
        say(args, "\n".join([finding.name, *(f"  {line}" for line in finding.lines), f"  -> {finding.advice}"]))
    broken = [finding.name for finding in findings if not finding.ok]
    if broken:
        complain(f"broken: {', '.join(broken)}")
    if args.json:
        advice = {finding.name: finding.advice for finding in findings}
        print_json({**{finding.name: finding.found for finding in findings}, "advice": advice, "broken": broken})
    return CHECK_FAILED if broken else DONE
