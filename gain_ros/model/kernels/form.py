"""The deployment form for one GPU: what :class:`gain_ros.model.deploy.LabelsForm` does, in half precision and fused."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gain_ros.model.deploy import fold, resize_input
from gain_ros.model.gain import GAIN
from gain_ros.model.kernels.criss_cross import use_fused_attention
from gain_ros.model.kernels.pixels import frame_size, label_map, normalise


class FusedForm(nn.Module):
    """Camera bytes as :func:`normalise` takes them, at any size → (uint8 labels N×H×W, uint8 confidence N×H×W).

    The folded network runs in ``dtype`` and channels_last with the fused kernels around and inside it. The resizes are
    those of LabelsForm; a frame that has the network's size already goes straight into the network's first planes.
    """

    def __init__(
        self,
        model: GAIN,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        input_size: tuple[int, int],
        dtype: torch.dtype = torch.float16,
    ) -> None:
        super().__init__()
        self.network = fold(model).to(dtype=dtype, memory_format=torch.channels_last)
        use_fused_attention(self.network)
        self.register_buffer("mean", 255 * torch.tensor(mean))
        self.register_buffer("scale", 1 / (255 * torch.tensor(std)))
        self.input_size, self.dtype = input_size, dtype

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        size = frame_size(frames)
        images = frames
        if size != self.input_size:
            levels = normalise(frames, torch.zeros_like(self.mean), torch.ones_like(self.scale), torch.float32)
            planes = resize_input(levels, self.input_size)
            images = planes.permute(0, 2, 3, 1).to(torch.uint8).contiguous()
        return label_map(self.network(normalise(images, self.mean, self.scale, self.dtype)), size)
