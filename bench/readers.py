"""What reading a large DOCX costs: ``python -m bench.readers``.

Makes one of ``--pages`` pages with python-docx (a heading and ten paragraphs each, a picture of ``--picture-kb`` kB of
noise on every tenth), then reads its text with our streaming reader and with python-docx, each in a process of its own.
Prints one JSON object: seconds, and how far the peak of the process's memory rose while it read, beyond its imports.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from services.ingest.extract.types import words

PARAGRAPHS = 10
WORDS_EACH = 40
READERS = ("nearfield", "python-docx")
MB = 1_000_000
VOCABULARY = sorted(
    words("the of and river harbour letter garden evening number report water stone winter paper light")
)


def main() -> None:
    """Makes the file, has it read, and prints; with ``--read`` it is one of the readers."""
    parser = argparse.ArgumentParser(prog="python -m bench.readers", description=__doc__)
    parser.add_argument("--pages", type=int, default=900)
    parser.add_argument("--picture-kb", type=int, default=100, help="size of the picture on every tenth page")
    parser.add_argument("--read", choices=READERS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        print(json.dumps(measure(options.read, options.file)))
        return
    with tempfile.TemporaryDirectory(prefix="nfb-") as folder:
        path = Path(folder) / "large.docx"
        with path.open("wb") as file:
            make(file, options.pages, options.picture_kb * 1000)
        figures: dict[str, object] = {"pages": options.pages, "file_mb": round(path.stat().st_size / MB, 1)}
        for reader in READERS:
            command = [sys.executable, "-m", "bench.readers", "--read", reader, "--file", str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            figures[reader] = json.loads(done.stdout)
    print(json.dumps(figures, indent=1))


def make(file: BinaryIO, pages: int, picture_bytes: int) -> None:
    """Writes the document."""
    from docx import Document

    choose = random.Random(3)
    document = Document()
    for page in range(1, pages + 1):
        document.add_heading(f"Page {page}", 2)
        for _ in range(PARAGRAPHS):
            document.add_paragraph(" ".join(choose.choices(VOCABULARY, k=WORDS_EACH)))
        if page % 10 == 0 and picture_bytes:
            document.add_picture(BytesIO(noise(choose, picture_bytes)))
        document.add_page_break()  # type: ignore[no-untyped-call]
    document.save(file)


def noise(choose: random.Random, size: int) -> bytes:
    """A grey PNG of noise, of about ``size`` bytes, which no packing makes smaller."""
    side = max(int(size**0.5), 1)
    rows = b"".join(b"\0" + choose.randbytes(side) for _ in range(side))
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows, 1)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )


def measure(reader: str, path: Path) -> dict[str, float]:
    """Reads ``path`` in this process. The bytes of the file are read within the measured time, by both."""
    if reader == "nearfield":
        from services.ingest.extract.docx import extract_docx

        def read() -> int:
            return len(extract_docx(path.read_bytes(), lambda: None).text)
    else:
        from docx import Document

        def read() -> int:
            with path.open("rb") as file:
                return len("\n".join(paragraph.text for paragraph in Document(file).paragraphs))

    before, began = peak_bytes(), time.perf_counter()
    characters = read()
    seconds = time.perf_counter() - began
    rise = (peak_bytes() - before) / MB
    return {"seconds": round(seconds, 2), "peak_rise_mb": round(rise, 1), "characters": characters}


def peak_bytes() -> int:
    """The most memory this process has held (VmHWM)."""
    status = Path(f"/proc/{os.getpid()}/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


if __name__ == "__main__":
    main()
