"""The same pictures through several Segmenters: how many pixels agree with the first one, and mIoU."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any


def parity_rows(
    source: Any,
    segmenters: Sequence[Any],
    tick: Callable[[int], object],
    frames: Iterable[Any] | None = None,
    encoding: str = "rgb8",
) -> list[dict[str, Any]]:
    """One row a Segmenter; ``frames`` are those of ``source`` to look at, by default all, shown in ``encoding``;
    ``tick`` is told after each how many are done.

    Keys: engine, provider, frames, agreement (share of pixels as in the first row), miou (None without truth in the
    model's own classes). Frame by frame through all of them, so that no mask has to be kept.
    """
    import numpy as np

    from gain_ros.frames import from_rgb
    from gain_ros.score import confusion_matrix, mean_iou

    label_set = segmenters[0].model_folder.labels
    scored = source.label_set is not None and source.label_set.names == label_set.names
    same, pixels, count = np.zeros(len(segmenters)), 0, 0
    confusion = np.zeros((len(segmenters), len(label_set), len(label_set)), np.int64)
    for frame in source if frames is None else frames:
        shown = from_rgb(frame.rgb, encoding)
        masks = [segmenter.segment([shown], confidence=False)[0].labels for segmenter in segmenters]
        same += [float((mask == masks[0]).sum()) for mask in masks]
        if scored and frame.labels is not None:
            confusion += [confusion_matrix(frame.labels, mask, len(label_set)) for mask in masks]
        pixels, count = pixels + masks[0].size, count + 1
        tick(count)
    return [
        {
            "engine": segmenter.info.engine,
            "provider": segmenter.info.provider,
            "frames": count,
            "agreement": same[i] / pixels if pixels else 0.0,
            "miou": mean_iou(confusion[i]) if scored else None,
        }
        for i, segmenter in enumerate(segmenters)
    ]
