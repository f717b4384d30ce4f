"""Word vectors as text: a word and its numbers per line (GloVe), after a line of two counts (word2vec, fastText .vec).

Spaces part the fields; a word may itself hold spaces (GloVe's 840B set has some), so numbers are counted from the end.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from services.embedding.training.texts import Pulse
from services.embedding.wordvectors.published.found import (
    MAX_DIM,
    MAX_WORD_BYTES,
    Published,
    check_numbers,
    check_shape,
    check_size,
    unreadable,
)

# 4,096 numbers of up to 26 characters with their blank.
_MAX_LINE_BYTES = MAX_WORD_BYTES + 26 * MAX_DIM
_MAX_NUMBER_BYTES = 32
"""More digits than any float64 has; what is longer would be cut, and its exponent with it."""
_GZIP = b"\x1f\x8b"
_ROWS_AT_ONCE = 4096


def read_text_file(path: Path, max_words: int, pulse: Pulse) -> Published:
    """The first ``max_words`` words of a text file, plain or gzip.

    Raises:
        ModelError: code "model-unreadable": a line too long, a row of another dimension, a number that is none, NaN,
            broken gzip or text that is not UTF-8.
    """
    with path.open("rb") as raw:
        packed = raw.read(2) == _GZIP
        raw.seek(0)
        if not packed:
            return _read(path, raw, max_words, pulse)
        with gzip.GzipFile(fileobj=raw) as unpacked:
            return _read(path, cast(BinaryIO, unpacked), max_words, pulse)


def _read(path: Path, file: BinaryIO, max_words: int, pulse: Pulse) -> Published:
    lines = _lines(path, file)
    first = next(lines, b"")
    head = first.split()
    has_head = len(head) == 2 and all(field.isdigit() and len(field) < 12 for field in head)
    if has_head:
        promised, dim = int(head[0]), int(head[1])
        check_shape(path, promised, dim)
    else:
        promised, dim = 0, len(first.split(b" ")) - 1 if first else 0
        check_shape(path, 1, dim)
    rows = lines if has_head else _with(first, lines)
    words, vectors, read = _rows(path, rows, dim, min(max_words, promised) if has_head else max_words, pulse)
    if not words:
        raise unreadable(path, "it holds no words")
    if has_head and read < min(promised, max_words):
        raise unreadable(path, f"it promises {promised:,} words and ends after {read:,}")
    return Published("word2vec" if has_head else "glove", words, vectors)


def _rows(
    path: Path, lines: Iterator[bytes], dim: int, most: int, pulse: Pulse
) -> tuple[list[str], NDArray[np.float32], int]:
    """Words without repeats, their vectors, and how many lines were read."""
    words: dict[str, None] = {}
    parts: list[NDArray[np.float32]] = []
    waiting: list[list[bytes]] = []
    read = 0
    for number, line in enumerate(lines, start=1):
        if read >= most:
            break
        read += 1
        word, numbers = _split(path, number, line, dim)
        if word not in words:
            words[word] = None
            waiting.append(numbers)
            check_size(path, len(words), dim)
        if len(waiting) >= _ROWS_AT_ONCE:
            parts.append(_numbers(path, waiting))
            waiting = []
        pulse.beat()
    parts.append(_numbers(path, waiting).reshape(-1, dim))
    vectors = np.concatenate(parts)
    check_numbers(path, vectors, "word")
    return list(words), vectors, read


def _split(path: Path, number: int, line: bytes, dim: int) -> tuple[str, list[bytes]]:
    # word2vec's own program ends lines with a blank
    fields = line.rstrip().rsplit(b" ", dim)
    if len(fields) != dim + 1 or not fields[0] or not all(fields):
        found = len(line.split()) - 1
        raise unreadable(path, f"row {number} has {max(found, 0)} numbers, the first one has {dim}")
    if len(fields[0]) > MAX_WORD_BYTES:
        raise unreadable(path, f"row {number} has a word of {len(fields[0]):,} bytes, allowed are {MAX_WORD_BYTES:,}")
    if max(map(len, fields[1:])) > _MAX_NUMBER_BYTES:
        raise unreadable(path, f"row {number} has a number of more than {_MAX_NUMBER_BYTES} characters")
    try:
        return fields[0].decode("utf-8"), fields[1:]
    except UnicodeDecodeError:
        raise unreadable(path, f"the word in row {number} is not UTF-8") from None


def _numbers(path: Path, rows: list[list[bytes]]) -> NDArray[np.float32]:
    try:
        with np.errstate(over="ignore"):
            return np.array(rows, dtype=f"S{_MAX_NUMBER_BYTES}").astype(np.float64).astype(np.float32)
    except ValueError as error:
        raise unreadable(path, f"a number is none ({str(error)[:80]})") from None


def _lines(path: Path, file: BinaryIO) -> Iterator[bytes]:
    """Lines without their end, none longer than a row can be; empty ones are passed over."""
    try:
        while line := file.readline(_MAX_LINE_BYTES + 1):
            if len(line) > _MAX_LINE_BYTES:
                raise unreadable(path, f"a line has more than {_MAX_LINE_BYTES:,} bytes")
            if line.strip():
                yield line.rstrip(b"\r\n")
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(path, f"it is damaged ({str(error)[:100]})") from error


def _with(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
