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

"""Installs gain_ros into a ROS workspace (colcon, ament_python) or, by pip, into any environment."""

from pathlib import Path

from setuptools import find_packages, setup

NAME = "gain_ros"
# What `gain` needs on a PC without a GPU or ROS. Of a workspace rosdep brings most (package.xml), so none is required.
CPU = [
    "numpy",
    "opencv-python-headless",
    "PyYAML",
    "safetensors",
    "Jinja2",
    "rosbags",
    "pygal",
    "onnxruntime",
    "openvino",
]
HERE = Path(__file__).parent


def version() -> str:
    text = (HERE / NAME / "__init__.py").read_text(encoding="utf-8")
    return text.split('__version__ = "')[1].split('"')[0]


def folders(top: str) -> list[tuple[str, list[str]]]:
    """Return the data files of ``top`` and of the folders below it, each for its place below share/gain_ros."""
    inside = [HERE / top, *(path for path in sorted((HERE / top).rglob("*")) if path.is_dir())]
    found = []
    for folder in inside:
        files = [str(path.relative_to(HERE)) for path in sorted(folder.glob("*")) if path.is_file()]
        if files and folder.name != "__pycache__":
            found.append((f"share/{NAME}/{folder.relative_to(HERE)}", files))
    return found


setup(
    name=NAME,
    version=version(),
    description="Semantic segmentation of camera streams for ROS 2 with GAIN",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    author="gain_ros maintainers",
    python_requires=">=3.10",
    packages=find_packages(include=[NAME, f"{NAME}.*", "training", "training.*"]),
    package_data={NAME: ["**/*.html", "**/*.css", "**/*.js"], "training": ["configs/*.yaml"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        *folders("launch"),
        *folders("config"),
        *folders("examples"),
        *folders("models"),
        *folders("schema"),
    ],
    install_requires=["setuptools"],
    extras_require={"cpu": CPU, "completion": ["argcomplete"], "ray": ["ray==2.60.0"], "timm": ["timm==1.0.31"]},
    zip_safe=False,
    entry_points={
        "console_scripts": [
            "gain = gain_ros.__main__:main",
            "segmentation_node = gain_ros.node.main:main",
        ],
    },
)
