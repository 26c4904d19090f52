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

"""What an ONNX file holds beside a plain graph, read from its bytes before any library sees them.

A robot needs no ``onnx`` package to run a model, so the few fields that matter are found by their numbers (onnx.proto).
"""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# Message → number of a field → the message that it holds. Nothing here holds itself, so the depth is bounded.
_INSIDE = {
    "model": {7: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 10: "tensor", 22: "sparse tensor", 23: "sparse tensor"},
    "sparse tensor": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_REFUSED = {
    ("model", 20): "training steps",
    ("model", 25): "functions of its own",
    ("attribute", 6): "control flow (a graph inside a node, as of If, Loop and Scan)",
    ("attribute", 11): "control flow (graphs inside a node)",
    ("tensor", 13): "tensors in another file, which no sha256 covers",
    ("tensor", 14): "tensors in another file, which no sha256 covers",
}


def beyond_plain_graph(content: bytes) -> str | None:
    """Return what a file has beyond one graph of operators and tensors, or that it is no ONNX file; else None."""
    try:
        return next(_odd(memoryview(content), "model"), None)
    except (ValueError, IndexError):
        return "no ONNX graph: its bytes are damaged"


def _odd(message: memoryview, kind: str) -> Iterator[str]:
    for number, value in _fields(message):
        if (kind, number) in _REFUSED and value != 0:  # of data_location 0 is the default: inside
            yield _REFUSED[kind, number]
        elif number in _INSIDE[kind] and not isinstance(value, int):
            yield from _odd(value, _INSIDE[kind][number])


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Yield (number, value) of each field in protobuf's wire format. Raises ValueError or IndexError."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, wire = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:  # some readers cut larger ones down to a field that we would not see
            raise ValueError(f"field {number} at byte {position}")
        if wire == _VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        if wire == _BYTES:
            length, position = _varint(message, position)
        else:
            length = {_FIXED64: 8, _FIXED32: 4}.get(wire, -1)
        if not 0 <= length <= len(message) - position:
            raise ValueError(f"field {number} of wire type {wire} at byte {position}")
        yield number, message[position : position + length]
        position += length


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError(f"number of more than 10 bytes at {position}")
