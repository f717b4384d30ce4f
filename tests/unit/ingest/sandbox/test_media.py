"""Pictures and sounds in the sandbox: what is read, what is refused, and that a bomb ends with a reason."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import pytest
from PIL import Image

from services.embedding.media import Sound
from services.errors import ExtractionFailed, InvalidInput, UnsupportedMedia
from services.ingest.kinds.sniff import sniff
from services.ingest.pipeline.media import picture_of, sound_of, thumbnail_of
from services.ingest.sandbox import results
from services.ingest.sandbox.frames import FrameWriter, UnusableResult
from services.ingest.sandbox.limits import SandboxLimits
from services.ingest.sandbox.sandbox import Sandbox
from services.ingest.values import MAX_SOUND_S, Extracted, MediaPart
from tests.media_samples import encoded, picture, recorded, sound

_WHITE = 255


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    made = Sandbox(tmp_path_factory.mktemp("media"), SandboxLimits())
    yield made
    made.close()


def read(sandbox: Sandbox, body: bytes, name: str) -> Extracted:
    media_type = sniff(body, name, media=True).media_type
    return sandbox.extract(media_type, body, name=name, max_text_bytes=1 << 20, tick=lambda: None)


def part_of(found: Extracted) -> MediaPart:
    assert found.media is not None
    return found.media


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, data: bytes, *more: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def wav_header(data_bytes: int) -> bytes:
    form = struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16)
    return b"RIFF" + struct.pack("<I", data_bytes + 36) + b"WAVEfmt " + struct.pack("<I", 16) + form + (
        b"data" + struct.pack("<I", data_bytes)
    )  # fmt: skip


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF"])
def test_pictures_come_out_small_and_true(sandbox: Sandbox, form: str) -> None:
    shown = picture(1, 600, 900)
    found = read(sandbox, encoded(shown, form), f"a.{form.lower()}")
    part = part_of(found)
    assert found.text == f"{form} picture, 900 x 600 points"
    assert (part.width, part.height) == (672, 448)
    assert np.abs(picture_of(part).pixels[50, 50].astype(int) - shown.pixels[67, 67].astype(int)).max() < 24
    assert thumbnail_of(part).startswith(b"\xff\xd8\xff")


def test_what_shines_through_is_white_and_a_turned_picture_stands_upright(sandbox: Sandbox) -> None:
    file = io.BytesIO()
    Image.new("RGBA", (40, 20), (0, 0, 0, 0)).save(file, "PNG")
    assert (picture_of(part_of(read(sandbox, file.getvalue(), "a.png"))).pixels == _WHITE).all()
    turned = Image.fromarray(picture(2, 20, 40).pixels)
    turned.getexif()[0x0112] = 6
    turned.getexif()[0x010E] = "a boat  on the\x00 sea"
    file = io.BytesIO()
    turned.save(file, "JPEG", exif=turned.getexif())
    found = read(sandbox, file.getvalue(), "a.jpg")
    assert (part_of(found).width, part_of(found).height) == (20, 40)
    assert found.text == "a boat on the sea\n\nJPEG picture, 40 x 20 points"


@pytest.mark.parametrize(
    ("form", "kind"), [("WAV", None), ("WAV", "FLOAT"), ("FLAC", None), ("OGG", None), ("OGG", "OPUS"), ("MP3", None)]
)
def test_sounds_come_out_mono_at_their_rate(sandbox: Sandbox, form: str, kind: str | None) -> None:
    heard = sound(440, 1.0, 48_000)
    found = read(sandbox, recorded(heard, form, kind, channels=2), f"a.{form.lower()}")
    back = sound_of(part_of(found))
    assert back.rate == 48_000
    assert "48,000 Hz, stereo" in found.text
    spectrum = np.abs(np.fft.rfft(back.samples))
    assert abs(spectrum.argmax() * 48_000 / len(back.samples) - 440) < 3
    if form in ("WAV", "FLAC"):
        np.testing.assert_allclose(back.samples, heard.samples, atol=1e-4)


def test_of_a_long_sound_the_beginning_is_listened_to(sandbox: Sandbox) -> None:
    long = Sound(np.zeros(1_000 * (MAX_SOUND_S + 20), np.float32), 1_000)
    found = read(sandbox, recorded(long, "FLAC"), "long.flac")
    assert len(part_of(found).data) == 2 * 1_000 * MAX_SOUND_S
    assert found.warnings == ("only its first 300 seconds were listened to",)


def test_a_header_of_ten_hours_promises_nothing(sandbox: Sandbox) -> None:
    found = read(sandbox, wav_header(36_000 * 32_000) + b"\1\0" * 16_000, "long.wav")
    assert len(part_of(found).data) == 32_000


PIXELS = zlib.compress(b"\0" * 30_000_000, 9)
BROKEN: dict[str, tuple[bytes, str, str]] = {
    "a PNG that says it is huge": (png(60_000, 60_000, zlib.compress(b"\0")), "a.png", "too-large"),
    "a PNG larger than is taken": (png(8_000, 8_000, PIXELS), "a.png", "too-large"),
    "a PNG of no size": (png(0, 0, zlib.compress(b"\0")), "a.png", "damaged-file"),
    "a PNG of one line and billions of points": (png(2**31 - 1, 1, zlib.compress(b"\0")), "a.png", "too-large"),
    "a PNG cut off": (encoded(picture(1, 400, 400), "PNG")[:-400], "a.png", "damaged-file"),
    "a PNG with a text bomb": (
        png(4, 4, zlib.compress(b"\0" * 20), chunk(b"zTXt", b"Comment\0\0" + PIXELS)), "a.png", "damaged-file"
    ),
    "a JPEG cut off": (encoded(picture(1, 400, 400), "JPEG")[:900], "a.jpg", "damaged-file"),
    "a WebP that says it is huge": (
        b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\x3f\0\xff\x3f\0" + b"\0" * 8, "a.webp", "too-large"
    ),
    "a GIF that is a page": (b"GIF89a/*<html><script>alert(1)</script>*/=1;", "a.gif", "damaged-file"),
    "a GIF of 65,535 lines": (b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x08\0;", "a.gif", "too-large"),
    "bytes behind a PNG's mark": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4, "a.png", "damaged-file"),
    "a WAV of nothing": (wav_header(0), "a.wav", "damaged-file"),
    "bytes behind a WAV's mark": (b"RIFF\x10\0\0\0WAVE" + bytes(range(256)), "a.wav", "damaged-file"),
    "a FLAC cut off": (recorded(sound(200), "FLAC")[:60], "a.flac", "damaged-file"),
    "bytes behind an Ogg's mark": (b"OggS\0" + bytes(range(256)) * 4, "a.ogg", "damaged-file"),
    "noise called MP3": (b"ID3\x03" + bytes(range(256)) * 40, "a.mp3", "damaged-file"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_bombs_and_rubbish_end_with_a_reason(sandbox: Sandbox, case: str) -> None:
    body, name, code = BROKEN[case]
    with pytest.raises((InvalidInput, ExtractionFailed)) as refused:
        read(sandbox, body, name)
    assert refused.value.code == code, refused.value.message
    assert len(refused.value.message) > 40


def test_what_is_two_things_at_once_is_refused_unread() -> None:
    zipped = b"PK\x05\x06" + b"\0" * 18
    with pytest.raises(UnsupportedMedia, match="a picture and a ZIP archive at once"):
        sniff(encoded(picture(1), "PNG") + zipped, "a.png", media=True)
    with pytest.raises(UnsupportedMedia, match=r"name ends in \.png.*content is a sound"):
        sniff(recorded(sound(200), "WAV"), "a.png", media=True)
    with pytest.raises(UnsupportedMedia, match="it is a PNG image"):
        sniff(encoded(picture(1), "PNG"), "a.png")


def written(value: dict[str, Any], data: bytes) -> BinaryIO:
    import tempfile

    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    writer = FrameWriter(file)
    results.write_extracted(writer, Extracted("a picture"))
    writer.write(value, data)
    writer.close()
    return file


@pytest.mark.parametrize(
    ("value", "data"),
    [
        ({"kind": "image", "width": 10, "height": 10}, b"\0" * 299),
        ({"kind": "image", "width": 0, "height": 10}, b""),
        ({"kind": "image", "width": 449, "height": 449}, b"\0" * (3 * 449 * 449)),
        ({"kind": "image", "width": 10_000, "height": 1}, b"\0" * 30_000),
        ({"kind": "image", "width": -1, "height": -1}, b"\0\0\0"),
        ({"kind": "audio", "rate": 16_000}, b"\0" * 3),
        ({"kind": "audio", "rate": 16_000}, b""),
        ({"kind": "audio", "rate": 10**9}, b"\0\0"),
        ({"kind": "video"}, b"\0\0"),
    ],
)
def test_a_lying_child_is_not_believed(value: dict[str, Any], data: bytes) -> None:
    with written(value, data) as file, pytest.raises(UnusableResult):
        results.read_extracted(file, most_bytes=1 << 26, max_text_bytes=1 << 20)
