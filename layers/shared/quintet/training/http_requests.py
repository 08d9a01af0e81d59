"""What comes in over HTTP: the original's bodies with the original's limits, and the messages of the queues."""

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, WithJsonSchema, model_validator
from pydantic.json_schema import SkipJsonSchema

from quintet.kernel.errors import PermissionDenied
from quintet.training.access import Access
from quintet.training.messages import Body, DetectionOptions, JobId, S3Key, TrainRequest, finite, storable

BATCH_LIMIT = 32


def number(value: Any) -> Any:
    """JSON's numbers alone: neither true nor "1"."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a number is expected")
    return value


def truth(value: Any) -> Any:
    if not isinstance(value, bool):
        raise ValueError("true or false is expected")
    return value


NUMBER = BeforeValidator(number)
Epochs = Annotated[int, Field(ge=1, le=1000), NUMBER]
Batch = Annotated[int, Field(ge=1, le=128), NUMBER]
Side = Annotated[int, Field(ge=320, le=1280, multiple_of=32), NUMBER]
ImagesAtOnce = Annotated[int, Field(ge=1, le=32), NUMBER]
Opset = Annotated[int, Field(ge=11, le=20), NUMBER]
Gigabytes = Annotated[float, Field(ge=1, le=16, allow_inf_nan=False), NUMBER]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), NUMBER]
Flag = Annotated[bool, BeforeValidator(truth)]
Text = Annotated[str, Field(min_length=1)]
ImageKey = Annotated[S3Key, Field(description="S3 key of an image.")]
SCHEMA_OF_A_FILE = WithJsonSchema({"type": "string", "format": "binary"})


class Asked(BaseModel):
    """Fields besides are let through, as the original did."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class TrainingOrder(Asked):
    """A training by the key of its dataset's data.yaml."""

    job_id: JobId = Field(examples=["abc12345"])
    data_yaml: S3Key = Field(
        pattern=r"^.+/data\.yaml$",
        description="S3 key of data.yaml; its folder is the dataset.",
        examples=["datasets/my-dataset/data.yaml"],
    )
    model: str = Field(
        "yolov8n",
        min_length=1,
        max_length=200,
        pattern=r"^[\w./-]+$",
        description="An architecture's name, with or without .pt; or the S3 key of weights to begin with.",
    )
    epochs: Epochs | None = Field(None, description="Default: the deployment's, 100.")
    imgsz: Side | None = Field(None, description="Longer side of an image in pixels; default 640.")
    batch: Batch | None = Field(None, description="Images; default 16.")
    device: str | None = Field(None, max_length=50, description="Default: a GPU, if there is one.", examples=["cpu"])
    project: str | None = Field(None, max_length=300, description="The weights land in models/<project>/<name>/.")
    name: str | None = Field(None, max_length=300, description="Default: job_<job_id>.")

    def content(self, caller: str, access: Access, models_dir: str) -> Body:
        """The message that asks for the same."""
        chosen = {"epochs": self.epochs, "imgsz": self.imgsz, "batch": self.batch, "device": self.device}
        folder = self.data_yaml.rpartition("/")[0]
        return {
            "job_id": self.job_id,
            "dataset": {"s3_prefix": f"{folder}/", "name": PurePosixPath(folder).name},
            "output": {"prefix": self._prefix(caller, access, models_dir.strip("/"))},
            "hyperparams": {"model": self.model if "/" in self.model else self.model.removesuffix(".pt")}
            | {name: value for name, value in chosen.items() if value is not None},
        }

    def _prefix(self, caller: str, access: Access, models_dir: str) -> str:
        """In the folder of all models where the caller may write there, else in the caller's own."""
        path = "/".join(part for part in (self.project, self.name or f"job_{quote(self.job_id, safe='')}") if part)
        path = path.removeprefix(f"{models_dir}/")
        try:
            return access.key(caller, f"{models_dir}/{path}")
        except PermissionDenied:
            return f"models/{caller}/{path}"


class TrainingMessage(TrainRequest):
    """The message of train_request_q."""

    @model_validator(mode="before")
    @classmethod
    def refuse_what_is_no_json(cls, given: Any) -> Any:
        storable(given)
        if finite(given) != given:
            raise ValueError("NaN and infinity are no numbers of JSON")
        if isinstance(given, dict) and isinstance(asked := given.get("hyperparams"), dict):
            for name in ("epochs", "batch", "imgsz", "seed"):
                number(asked.get(name, 1))
        return given

    def content(self, caller: str, access: Access, models_dir: str) -> Body:
        return self.model_dump(mode="json", exclude_unset=True)


def _form_of(body: Any) -> Literal["message", "order"]:
    return "message" if isinstance(body, TrainingMessage) or (isinstance(body, dict) and "dataset" in body) else "order"


AnyTraining = Annotated[
    Annotated[TrainingOrder, Tag("order")] | Annotated[TrainingMessage, Tag("message")], Discriminator(_form_of)
]


class ConversionChoices(Asked):
    imgsz: Side = Field(640, description="Side of the input in pixels.")
    batch_size: ImagesAtOnce = 1
    dynamic: Flag = Field(False, description="Any number of images in a batch (ONNX).")
    simplify: Flag = Field(True, description="Simplify the graph (ONNX).")
    opset: Opset = Field(17, description="ONNX opset.")
    precision: Literal["fp32", "fp16", "int8"] = Field("fp16", description="TensorRT's.")
    workspace: Gigabytes = Field(4, description="GB that TensorRT may use.")
    int8_calibration_data: S3Key | None = Field(None, description="S3 prefix of images, for TensorRT's int8.")

    def chosen(self) -> Body:
        """What was asked for by name."""
        wanted = self.model_dump(mode="json", exclude_unset=True, include=set(ConversionChoices.model_fields))
        return {name: value for name, value in wanted.items() if value is not None}


TargetFormat = Annotated[
    str,
    Field(min_length=1, max_length=50, pattern=r"^[\w .-]+$"),
    WithJsonSchema({"type": "string", "enum": ["onnx", "tensorrt", "trt"]}),
]


class ConversionOrder(ConversionChoices):
    """Options stand beside the other fields, as in the original's HTTP, or in `options`, as in its messages."""

    job_id: JobId | None = Field(None, description="Made, if there is none.")
    model_path: S3Key = Field(description="S3 key of the weights.", examples=["models/yolov8n/my-dataset.pt"])
    target_format: TargetFormat
    output_dir: S3Key | None = Field(None, description="Default: `converted` in the model's folder.")
    options: ConversionChoices | None = None

    def content(self, job_id: str) -> Body:
        """The message that asks for the same."""
        nested = self.options.chosen() if self.options else {}
        return {
            "job_id": job_id,
            "model_path": self.model_path,
            "target_format": self.target_format,
            "options": self.chosen() | nested,
        } | ({"output_dir": self.output_dir} if self.output_dir else {})


class ConversionBatch(Asked):
    model_paths: list[S3Key] = Field(min_length=1, max_length=BATCH_LIMIT)
    target_format: TargetFormat | None = Field(None, description="Here, or in the query.")
    output_dir: S3Key | None = None
    conversion_options: ConversionChoices = ConversionChoices()

    @property
    def orders(self) -> list[ConversionOrder]:
        options = self.conversion_options
        shared = {"target_format": self.target_format, "output_dir": self.output_dir, "options": options}
        return [ConversionOrder.model_validate({"model_path": path, **shared}) for path in self.model_paths]


class Picture(Asked):
    """One image: a key of the bucket, or its bytes."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["image_path"]}, {"required": ["image_base64"]}]},
    )

    image_path: S3Key | SkipJsonSchema[None] = Field(None, description="S3 key of an image.", examples=["images/a.jpg"])
    image_base64: Text | SkipJsonSchema[None] = Field(None, description="The image itself, base64 or a data URL.")

    @model_validator(mode="after")
    def require_one(self) -> Self:
        if (self.image_path is None) == (self.image_base64 is None):
            raise ValueError("give either image_path or image_base64")
        return self


class Detection(Asked):
    model_path: S3Key | None = Field(None, description="S3 key of a model; default: the deployment's.")
    conf: Share = Field(0.25, description="Boxes below it are left out.")
    iou: Share = Field(0.45, description="Boxes of a class that overlap more are one.")

    @property
    def options(self) -> DetectionOptions:
        return DetectionOptions(conf=self.conf, iou=self.iou)


class PredictionOrder(Picture, Detection):
    @property
    def pictures(self) -> list[Picture | bytes]:
        return [self]


class PredictionBatch(Detection):
    images: list[ImageKey | Picture] = Field(min_length=1, max_length=BATCH_LIMIT)

    @property
    def pictures(self) -> list[Picture | bytes]:
        return [Picture(image_path=one) if isinstance(one, str) else one for one in self.images]


class PredictionForm(Detection):
    """The fields beside the files of a form, which are texts; an empty one counts as none."""

    model_path: Annotated[S3Key | None, WithJsonSchema({"type": "string", "maxLength": 900})] = None
    conf: float = Field(0.25, ge=0, le=1, allow_inf_nan=False)
    iou: float = Field(0.45, ge=0, le=1, allow_inf_nan=False)


class PredictionFile(PredictionForm):
    file: Annotated[tuple[bytes], SCHEMA_OF_A_FILE]

    @property
    def pictures(self) -> list[Picture | bytes]:
        return list(self.file)


class PredictionFiles(PredictionForm):
    files: Annotated[
        list[Annotated[bytes, SCHEMA_OF_A_FILE]],
        Field(min_length=1, max_length=BATCH_LIMIT, description="`file` serves as well."),
    ]

    @property
    def pictures(self) -> list[Picture | bytes]:
        return list(self.files)


AnyPrediction = PredictionOrder | PredictionBatch | PredictionFile | PredictionFiles
