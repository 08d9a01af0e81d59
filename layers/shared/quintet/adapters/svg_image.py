"""Drawings made into pictures by resvg, with typefaces of a package: neither Lambda nor a slim image has any."""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from quintet.kernel.errors import InvalidInput

TYPEFACE = "Open Sans"
_FACES = ("OpenSans-Regular.ttf", "OpenSans-SemiBold.ttf")


class ResvgRasteriser:
    """Texts are set in TYPEFACE where a drawing asks for it or for any sans-serif."""

    def png(self, svg: str) -> bytes:
        """The drawing, pixel for unit. Raises InvalidInput where it is none."""
        from resvg_py import svg_to_bytes

        try:
            return svg_to_bytes(
                svg_string=svg,
                font_files=list(_faces()),
                font_family=TYPEFACE,
                sans_serif_family=TYPEFACE,
                skip_system_fonts=True,
            )
        except ValueError:
            raise InvalidInput("This is no SVG drawing.") from None


@cache
def _faces() -> Sequence[str]:
    faces = files("ttf_opensans") / "ttf"
    return [str(faces / name) for name in _FACES]
