"""Objects found in an image, as the messages and the HTTP answers tell of them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from quintet.kernel.errors import ModelUnavailable
from quintet.training.boxes import Boxes, candidates, centred, clipped, suppressed
from quintet.training.detector_ports import Detector, Floats, ImageReader, Pixels
from quintet.training.letterbox import letterboxed
from quintet.training.messages import DetectionOptions


class Annotation(BaseModel):
    """One object; its box relative to the image's width and height, from 0 to 1."""

    model_config = ConfigDict(frozen=True)

    class_id: int
    class_name: str
    confidence: float
    x_center: float
    y_center: float
    width: float
    height: float


class ModelInfo(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())

    model_path: str
    confidence_threshold: float
    iou_threshold: float


class Detections(BaseModel):
    """Best first. `image_size` is width, height in pixels."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    annotations: tuple[Annotation, ...]
    total_detections: int
    model_info: ModelInfo
    image_size: tuple[int, int]


class Found(NamedTuple):
    """One object in pixels: `bbox` is x_center, y_center, width, height, `image_size` is width, height."""

    class_id: int
    class_name: str
    confidence: float
    bbox: tuple[float, float, float, float]
    bbox_xyxy: tuple[float, float, float, float]
    image_size: tuple[int, int]

    @property
    def annotation(self) -> Annotation:
        across, down = self.image_size
        x, y, width, height = self.bbox
        return Annotation(
            class_id=self.class_id,
            class_name=self.class_name,
            confidence=self.confidence,
            x_center=x / across,
            y_center=y / down,
            width=width / across,
            height=height / down,
        )


def detect(
    image: bytes, detector: Detector, images: ImageReader, *, model_path: str, options: DetectionOptions
) -> Detections:
    """What `detector` sees in an image file. Raises InvalidInput, TooLarge, ModelUnavailable."""
    pixels = images.read(image)
    seen = found(pixels, detector, options)
    return Detections(
        annotations=tuple(one.annotation for one in seen),
        total_detections=len(seen),
        model_info=ModelInfo(model_path=model_path, confidence_threshold=options.conf, iou_threshold=options.iou),
        image_size=(pixels.shape[1], pixels.shape[0]),
    )


def found(image: Pixels, detector: Detector, options: DetectionOptions) -> list[Found]:
    """What `detector` sees in the pixels (h, w, 3), best first. Raises ModelUnavailable."""
    height, width = image.shape[:2]
    pixels, where = letterboxed(image, detector.imgsz, detector.padding)
    output = checked(detector.predict(pixels[None]), detector.names)[0]
    likely = candidates(output, options.conf, one_class=detector.one_class_a_box)
    inside = clipped(likely._replace(corners=where.restored(likely.corners)), height, width)
    return told(suppressed(inside, options.iou), detector.names, (width, height))


def checked(output: Floats, names: Sequence[str]) -> Floats:
    """Raises ModelUnavailable for an output that fits no classes of these names, or holds no number at all."""
    if output.ndim != 3 or output.shape[1] != 4 + len(names):
        raise ModelUnavailable(
            f"The model's output of shape {output.shape} does not fit 4 coordinates and {len(names)} classes a box: "
            "export it without NMS."
        )
    if output.size and not np.isfinite(output).any():
        raise ModelUnavailable("The model answers with nothing but NaN: convert it again, with full precision.")
    return output


def told(boxes: Boxes, names: Sequence[str], image_size: tuple[int, int]) -> list[Found]:
    rows = zip(boxes.classes, boxes.scores, centred(boxes.corners), boxes.corners, strict=True)
    return [
        Found(int(one), names[one], float(score), tuple(centre.tolist()), tuple(corners.tolist()), image_size)
        for one, score, centre, corners in rows
    ]
