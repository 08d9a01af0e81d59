"""What stands beside every ONNX file of a detector, and the check that it is that file."""

import hashlib
from pathlib import PurePosixPath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from quintet.kernel.errors import InvalidInput, ModelUnavailable
from quintet.training.detector_ports import Padding


class DetectorManifest(BaseModel):
    """`<model>.onnx.json`. `imgsz` is the side of a square input, or its height and width."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())

    schema_version: Literal[1] = Field(1, alias="schema")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    family: str
    model: str
    names: tuple[str, ...] = Field(min_length=1)
    imgsz: int | tuple[int, int]
    dynamic: bool = False
    output: Literal["xyxy_pixels", "cxcywh_pixels"] = Field(
        description="What the first four rows of the output are: corners, or centre and size, in pixels of the input."
    )
    letterbox: Padding = Field("topleft", description="Where an image lies in an input of another shape.")
    one_class_a_box: bool = Field(False, description="A box counts for its likeliest class alone.")
    opset: int | None = None
    source: str | None = None
    metrics: dict[str, Any] = {}
    trained_at: str | None = None
    libraries: dict[str, str] = {}

    @property
    def height_and_width(self) -> tuple[int, int]:
        return (self.imgsz, self.imgsz) if isinstance(self.imgsz, int) else self.imgsz

    @property
    def padding(self) -> Padding:
        return self.letterbox

    @property
    def boxes(self) -> Literal["corners", "centres"]:
        return "corners" if self.output == "xyxy_pixels" else "centres"


def verified(key: str, content: bytes, manifest: bytes) -> DetectorManifest:
    """What `manifest` says of the model `content`. Raises ModelUnavailable where it is of another file."""
    try:
        described = DetectorManifest.model_validate_json(manifest)
    except ValidationError as error:
        raise ModelUnavailable(
            f"The manifest {manifest_key(key)} cannot be read: convert the model again.", reason=str(error)
        ) from error
    if hashlib.sha256(content).hexdigest() != described.sha256:
        raise ModelUnavailable(
            f"The model {key} is not the one that its manifest {manifest_key(key)} describes: "
            "upload both files again, or convert the model again."
        )
    return described


def onnx_key(key: str) -> str:
    """The ONNX file that a model's key means. Raises InvalidInput for what is no model's key.

    >>> onnx_key("models/ada/best.pt")
    'models/ada/best.onnx'
    """
    path = PurePosixPath(key)
    if path.suffix not in {".pt", ".onnx"}:
        raise InvalidInput(f"A model is a .onnx file or a .pt file that has an ONNX sibling; {key} is neither.")
    return str(path.with_suffix(".onnx"))


def manifest_key(key: str) -> str:
    return f"{key}.json"
