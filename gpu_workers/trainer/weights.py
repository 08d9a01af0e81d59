"""Weights files: dictionaries of tensors and plain values, read without running anything that they hold.

    {"model": state dict, "model_family": "yolo9", "size": "t", "names": {0: ...}, "nc", "imgsz", "task": "detect", …}

This is the layout of libreyolo's own files, so that its users can load ours.
"""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gpu_workers.trainer.detector import BadWeights


def read_weights(path: Path) -> dict[str, Any]:
    """The content of a `.pt`, on the CPU. Raises BadWeights for what is no dictionary of tensors and plain values."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise BadWeights(f"The weights file {path.name} does not exist.") from error
    except pickle.UnpicklingError as error:
        raise BadWeights(f"{path.name} holds more than weights and is not loaded.", said=str(error)) from error
    except (RuntimeError, EOFError, ValueError, KeyError, AttributeError, TypeError, IndexError) as error:
        raise BadWeights(f"{path.name} is not a weights file of PyTorch.", said=str(error)) from error
    if not isinstance(content, dict):
        raise BadWeights(f"{path.name} is not a weights file of ours.")
    return content


def write_weights(path: Path, content: dict[str, Any]) -> Path:
    """Whole or not at all."""
    partial = path.with_suffix(".partial")
    torch.save(content, partial)
    return partial.replace(path)


def for_inference(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict without the auxiliary branch that only YOLOv9's training uses."""
    return {name: tensor for name, tensor in state.items() if not name.startswith(("aux.", "aux_head."))}


def copied(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors, on the CPU and no longer those of a network that trains on."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in state.items()}
