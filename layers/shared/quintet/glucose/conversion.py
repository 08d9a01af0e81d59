"""A vendor's export as unified CSV."""

from quintet.glucose.messages import ConvertResponse
from quintet.glucose.readers import read
from quintet.kernel.errors import InvalidInput


def convert(content: bytes) -> ConvertResponse:
    """The trace in `content` as unified CSV; where it can't be read, what is wrong with it."""
    try:
        return ConvertResponse(csv_content=read(content).to_csv())
    except InvalidInput as error:
        return ConvertResponse(error=error.message)
