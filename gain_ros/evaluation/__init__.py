# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Recordings in, verdicts out.

One frame      reader (with its truth), truth (where from, which frame), stability (what a mask shows without truth)
Added up       tally (one source, whichever way), result (result.json, frames.jsonl), compare (two results)
Ways           offline (one bag), many_bags, realtime, demo and attach (the real node, by live/)
For people     report/ (page, charts, gallery, clip)
"""
