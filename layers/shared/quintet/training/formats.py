"""What models can be converted into, with which options, and what is not offered."""

from collections.abc import Mapping
from typing import Any

from quintet.kernel.errors import InvalidInput

PRECISIONS = ("fp32", "fp16")
ALIASES = {"trt": "tensorrt"}
NOT_OFFERED = ("tflite", "coreml", "openvino", "torchscript")

_SHARED = {
    "imgsz": {"description": "Side of the square input in pixels, a multiple of 32.", "default": 640,
              "minimum": 320, "maximum": 1280},
    "batch_size": {"description": "Images in a batch.", "default": 1, "minimum": 1, "maximum": 32},
}  # fmt: skip

FORMATS: Mapping[str, Mapping[str, Any]] = {
    "onnx": {
        "description": "Open Neural Network Exchange",
        "options": {
            **_SHARED,
            "dynamic": {"description": "Leave the number of images in a batch open.", "default": False},
            "simplify": {"description": "Simplify the graph.", "default": True},
            "opset": {"description": "ONNX opset.", "default": 17, "minimum": 11, "maximum": 20},
        },
        "requirements": [],
    },
    "tensorrt": {
        "description": "NVIDIA TensorRT engine",
        "options": {
            **_SHARED,
            "precision": {"description": "Of the weights.", "default": "fp16", "choices": list(PRECISIONS)},
            "workspace": {"description": "GB that TensorRT may use.", "default": 4, "minimum": 1, "maximum": 16},
        },
        "requirements": ["NVIDIA GPU", "TensorRT"],
    },
}


def offered(target_format: str, *, tensorrt: bool) -> str:
    """The format that is meant. Raises InvalidInput that says what would work.

    >>> offered("TRT", tensorrt=True)
    'tensorrt'
    """
    name = ALIASES.get(target_format.lower(), target_format.lower())
    if name == "tensorrt" and not tensorrt:
        raise InvalidInput("tensorrt needs an NVIDIA GPU, and there is none here (ENABLE_TENSORRT): onnx works here")
    if name not in FORMATS:
        raise InvalidInput(f"{target_format} is not offered: convert to onnx, or to tensorrt where a GPU is")
    return name


def formats(*, tensorrt: bool) -> dict[str, Any]:
    availability = {
        "onnx": (True, "Always."),
        "tensorrt": (tensorrt, "Where tasks have a GPU and TensorRT; elsewhere such a job fails and says so."
                     if tensorrt else "Switched off here (ENABLE_TENSORRT)."),
    }  # fmt: skip
    told = {
        name: {**described, "available": availability[name][0], "availability": availability[name][1]}
        for name, described in FORMATS.items()
    }
    return {
        "supported_formats": [name for name in FORMATS if availability[name][0]],
        "supported_precisions": list(PRECISIONS),
        "format_options": told,
        "not_offered": list(NOT_OFFERED),
    }
