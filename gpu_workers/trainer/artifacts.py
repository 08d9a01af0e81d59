"""What a training leaves in the bucket.

<output.prefix>/<model_name>       best weights; its key is the outcome's `model_path`
                last.pt            weights of the last epoch
                <stem>.onnx        the best ones for inference, and beside it its manifest <stem>.onnx.json
                results.csv        metrics of each epoch
                curves.png
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from quintet.kernel.files import Files

TYPES = {".csv": "text/csv", ".png": "image/png", ".json": "application/json"}
BINARY = "application/octet-stream"


@dataclass(frozen=True)
class Output:
    """Where the files of a model named `model_name` go."""

    prefix: str
    model_name: str

    @property
    def model(self) -> str:
        return self.key(self.model_name)

    @property
    def last(self) -> str:
        return self.key("last.pt" if self.model_name != "last.pt" else "last-epoch.pt")

    @property
    def stem(self) -> str:
        return PurePosixPath(self.model_name).stem

    def key(self, name: str) -> str:
        return f"{self.prefix.rstrip('/')}/{name}"


def upload(source: Path, key: str, files: Files) -> str:
    files.upload(source, key, content_type=TYPES.get(source.suffix, BINARY))
    return key


def upload_all(sources: Iterable[Path], folder: str, files: Files) -> list[str]:
    """Under their own names."""
    return [upload(source, f"{folder.rstrip('/')}/{source.name}", files) for source in sources]
