"""Signatures of formats that are not read, so that a refusal can name what was given."""

from __future__ import annotations

import re

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "a gzip file; unpack it first"),
    (b"\xfd7zXZ\x00", "an xz file; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file; unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; pack it as ZIP"),
    (b"Rar!\x1a\x07", "a RAR archive; pack it as ZIP"),
    (b"\x89PNG\r\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF87a", "a GIF image"),
    (b"GIF89a", "a GIF image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"8BPS\x00", "a Photoshop file"),
    (b"AT&TFORM", "a DjVu document; convert it to PDF"),
    (b"%!PS-Adobe", "a PostScript file; convert it to PDF"),
    (b"ID3\x03", "an MP3 recording"),
    (b"ID3\x04", "an MP3 recording"),
    (b"OggS\x00", "an Ogg recording"),
    (b"fLaC\x00", "a FLAC recording"),
    (b"\x1a\x45\xdf\xa3", "a Matroska or WebM video"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"\xca\xfe\xba\xbe", "a program"),
    (b"\xcf\xfa\xed\xfe", "a program"),
    (b"\x00asm\x01", "a program"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"PAR1", "a Parquet table; export it as CSV"),
    (b"\x89HDF\r\n", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"OTTO\x00", "a font"),
    (b"wOFF", "a font"),
    (b"wOF2", "a font"),
    (b"!BDN", "an Outlook data file; export its messages"),
)
_PATTERNS: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"BZh[1-9]1AY&SY"), "a bzip2 file; unpack it first"),
    (re.compile(rb"RIFF.{4}(?:WAVE|AVI |WEBP|RMID)", re.DOTALL), "a RIFF file (image, sound or video)"),
    (re.compile(rb".{4}ftyp[a-zA-Z0-9 ]{4}", re.DOTALL), "an MP4 video or a HEIC image"),
    (re.compile(rb".{257}ustar[\x00 ]", re.DOTALL), "a tar archive; pack it as ZIP"),
    (re.compile(rb".{60}BOOKMOBI", re.DOTALL), "a Kindle book; convert it to EPUB"),
    (re.compile(rb"BM.{4}\x00\x00\x00\x00.{4}[\x0c\x28\x6c\x7c]\x00\x00\x00", re.DOTALL), "a BMP image"),
)


def foreign_format(head: bytes) -> str:
    """What the bytes are, for people, when their signature is one of a format that is not read; else ""."""
    for signature, what in _SIGNATURES:
        if head.startswith(signature):
            return what
    return next((what for pattern, what in _PATTERNS if pattern.match(head)), "")
