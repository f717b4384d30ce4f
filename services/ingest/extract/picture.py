"""Pictures: decoded, made small, and handed on as plain points. Runs in a child of the sandbox, like every reader.

The text of a picture is what its file says of it and its size, so that a hit has something to show in words.
"""

from __future__ import annotations

import io
from typing import cast

from PIL import (
    GifImagePlugin,
    Image,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from services.errors import InvalidInput
from services.ingest.cleaning import clean_text
from services.ingest.extract.types import Tick
from services.ingest.values import MAX_PICTURE_SIDE, SHORT_PICTURE_SIDE, Extracted, MediaPart

MAX_PIXELS, MAX_JPEG_PIXELS = 40_000_000, 120_000_000
"""Of a picture as it is stored: 160 MB while it is decoded, in a child that may have 1 GiB; a JPEG is made small while
it is decoded, and takes less."""

_FORMATS = tuple(
    plugin.format
    for plugin in (
        PngImagePlugin.PngImageFile,
        JpegImagePlugin.JpegImageFile,
        GifImagePlugin.GifImageFile,
        WebPImagePlugin.WebPImageFile,
    )
)
_MAX_BYTES_OF_TEXT = 1024 * 1024
_MAX_ALT_CHARS = 2_000
_WHITE = (255, 255, 255, 255)
_IMAGE_DESCRIPTION = 0x010E

Image.MAX_IMAGE_PIXELS = MAX_JPEG_PIXELS  # the library refuses twice as much by itself, wherever it meets it
PngImagePlugin.MAX_TEXT_MEMORY = _MAX_BYTES_OF_TEXT


def extract_picture(body: bytes, tick: Tick) -> Extracted:
    """Reads a PNG, JPEG, WebP or GIF; of a moving one the first frame.

    Raises:
        InvalidInput: it is damaged (``damaged-file``) or too large (``too-large``).
    """
    tick()
    try:
        with Image.open(io.BytesIO(body), formats=_FORMATS) as picture:
            _require_size(picture)
            name, width, height = picture.format or "", *picture.size
            alt = _description(picture)
            small = _small(picture, tick)
    except InvalidInput:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large("it", MAX_JPEG_PIXELS) from None
    except (
        UnidentifiedImageError,
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        KeyError,
        IndexError,
        TypeError,
    ) as error:
        raise InvalidInput(
            f"the picture cannot be read ({type(error).__name__}): it is cut off or damaged; save it again in an image "
            "program and add that",
            code="damaged-file",
        ) from None
    size = f"{name} picture, {width:,} x {height:,} points"
    text = f"{alt}\n\n{size}" if alt else size
    return Extracted(text, media=MediaPart("image", small.tobytes(), width=small.width, height=small.height))


def _require_size(picture: Image.Image) -> None:
    width, height = picture.size
    most = MAX_JPEG_PIXELS if picture.format == "JPEG" else MAX_PIXELS
    if width * height > most:
        raise _too_large(f"it has {width:,} x {height:,} points, which", most)


def _too_large(what: str, most: int) -> InvalidInput:
    return InvalidInput(
        f"{what} is more than the {most:,} points that a picture of its format may have; make it smaller",
        code="too-large",
    )


def _small(picture: Image.Image, tick: Tick) -> Image.Image:
    """RGB, upright, on white, with a short side of at most 448 points; never larger than it was."""
    if picture.format == "JPEG":  # its decoder can leave out detail that is not wanted, and the memory for it
        picture.draft("RGB", (2 * SHORT_PICTURE_SIDE, 2 * SHORT_PICTURE_SIDE))
    picture.load()
    tick()
    turned = cast(int, picture.getexif().get(0x0112, 1))
    plain = _flattened(picture)
    tick()
    plain.thumbnail(_target(*plain.size), Image.Resampling.LANCZOS, reducing_gap=3.0)
    if turned != 1:
        plain.getexif()[0x0112] = turned
        ImageOps.exif_transpose(plain, in_place=True)
    tick()
    return plain


def _flattened(picture: Image.Image) -> Image.Image:
    """As RGB; what shines through shows white, as on a page."""
    if picture.mode in ("RGB", "L"):
        return picture.convert("RGB")
    if picture.mode.startswith("I") or picture.mode == "F":  # 16 bits a point: the library would clip them to white
        high = cast(tuple[float, float], picture.getextrema())[1]
        scale = 255.0 / (65535.0 if high > 255 else 255.0)
        return picture.convert("F").point(lambda value: value * scale).convert("L").convert("RGB")
    if picture.mode == "P" or "A" in picture.mode or "transparency" in picture.info:
        clear = picture.convert("RGBA")
        ground = Image.new("RGBA", clear.size, _WHITE)
        ground.alpha_composite(clear)
        return ground.convert("RGB")
    return picture.convert("RGB")


def _target(width: int, height: int) -> tuple[int, int]:
    scale = min(1.0, SHORT_PICTURE_SIDE / min(width, height), MAX_PICTURE_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _description(picture: Image.Image) -> str:
    """What the file says it shows: of a PNG its text, of the others their Exif; most say nothing."""
    said: object = ""
    for key in ("Description", "Title", "Comment"):
        said = said or getattr(picture, "text", {}).get(key, "")
    said = said or picture.getexif().get(_IMAGE_DESCRIPTION, "")
    text = said if isinstance(said, str) else ""
    return " ".join(clean_text(text.encode("utf-8", "replace").decode()).split())[:_MAX_ALT_CHARS]
