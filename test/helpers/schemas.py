# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Validators for the schemas of what gain_ros reads and writes."""

from __future__ import annotations

import json
from pathlib import Path

from jsonschema import Draft202012Validator

SCHEMAS = Path(__file__).resolve().parent.parent.parent / "schema"


def validator(name: str) -> Draft202012Validator:
    """Of ``schema/NAME.schema.json``, which is checked itself."""
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def errors(name: str, document: object) -> list[str]:
    """What a schema finds wrong with a document."""
    return [f"{error.json_path}: {error.message}" for error in validator(name).iter_errors(document)]
