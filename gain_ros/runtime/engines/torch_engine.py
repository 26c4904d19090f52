"""PyTorch: the reference, and the engine for models without ONNX files."""

from __future__ import annotations

import numpy as np
import torch

from gain_ros.bundle import Bundle
from gain_ros.model import load_model
from gain_ros.model.deploy import LabelsForm, LogitsForm
from gain_ros.runtime.engines import EngineUnavailable, check_images


class TorchEngine:
    """Runs the weights themselves: on the CPU up to the head's logits, on a GPU the whole step."""

    name = "torch"
    version = torch.__version__

    def __init__(self, bundle: Bundle, device: str, threads: int | None):
        if device == "cuda" and not torch.cuda.is_available():
            built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built for the CPU alone"
            raise EngineUnavailable(
                f"torch {torch.__version__} ({built}) finds no usable GPU; check `nvidia-smi` and the torch build, "
                "or ask for device 'cpu'"
            )
        self.whole_step = device != "cpu" and torch.cuda.is_available()
        self.device = "cuda" if self.whole_step else "cpu"
        self.provider = torch.cuda.get_device_name() if self.whole_step else "CPU"
        if threads is not None:
            torch.set_num_threads(threads)
        network = load_model(bundle.path)
        form = (
            LabelsForm(network, bundle.mean, bundle.std, bundle.input_size)
            if self.whole_step
            else LogitsForm(network, bundle.mean, bundle.std)
        )
        self._form = form.to(self.device, memory_format=torch.channels_last).eval()
        self._size = bundle.input_size

    def logits(self, images: np.ndarray) -> np.ndarray:
        check_images(images, self._size)
        with torch.inference_mode():
            return self._form(torch.from_numpy(images)).contiguous().numpy()

    def labels(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with torch.inference_mode():
            labels, confidence = self._form(torch.from_numpy(frames).to(self.device))
            return labels.cpu().numpy(), confidence.cpu().numpy()

    def close(self) -> None:
        self._form = None
        if self.whole_step:
            torch.cuda.empty_cache()
