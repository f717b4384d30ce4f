"""fastText's binary models (``model.bin``), as facebookresearch/fastText writes them in version 12.

Little endian: magic, version; the arguments; the dictionary; whether the table is quantised; the table of words' and
then buckets' rows. A word's vector is the mean of its own row and those of its pieces. The second table, which training
goes on from, is not read.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from services.embedding.training.texts import Pulse
from services.embedding.wordvectors.embedder import MAX_GRAM
from services.embedding.wordvectors.published.found import (
    MAX_WORD_BYTES,
    Published,
    check_numbers,
    check_shape,
    check_size,
    unreadable,
)
from services.embedding.wordvectors.subwords import buckets

MAGIC = 793712314
_VERSION = 12
_ARGUMENTS = struct.Struct("<12id")
_COUNTS = struct.Struct("<iiiqq")
_ENTRY = struct.Struct("<qb")
_SHAPE = struct.Struct("<?qq")
_MAX_BUCKETS = 10_000_000
_SUPERVISED = 3


@dataclass(frozen=True, slots=True)
class _Head:
    dim: int
    buckets: int
    least: int
    most: int


def read_fasttext_binary(path: Path, max_words: int, pulse: Pulse) -> Published:
    """The first ``max_words`` words, and all pieces.

    Raises:
        ModelError: code "model-unreadable": another version, a classifier, a quantised or pruned model, cut off, NaN.
    """
    with path.open("rb") as file:
        head = _head(path, file)
        words, counts, all_words = _dictionary(path, file, max_words, pulse)
        quantised, rows, columns = _SHAPE.unpack(_exactly(path, file, _SHAPE.size, "its table"))
        if quantised:
            raise unreadable(path, "it is quantised (.ftz), its numbers are rounded to codes; take the full .bin")
        if rows != all_words + head.buckets or columns != head.dim:
            raise unreadable(
                path,
                f"its table has {rows:,} rows of {columns:,}, its dictionary and buckets need "
                f"{all_words + head.buckets:,} of {head.dim:,}",
            )
        start = file.tell()
    if path.stat().st_size - start < rows * columns * 4:
        raise unreadable(path, "it is cut off in its table")
    check_size(path, len(words) + head.buckets, head.dim)
    table: NDArray[np.float32] = np.memmap(path, dtype="<f4", mode="r", offset=start, shape=(rows, columns))
    subwords = np.array(table[all_words:], dtype=np.float32)
    check_numbers(path, subwords, "bucket")
    vectors = _composed(table, words, subwords, head, pulse)
    check_numbers(path, vectors, "word")
    pieces = subwords if head.buckets else None
    return Published("fasttext", words, vectors, counts, pieces, (head.least, head.most))


def _head(path: Path, file: BinaryIO) -> _Head:
    magic, version = struct.unpack("<ii", _exactly(path, file, 8, "its head"))
    if magic != MAGIC or version != _VERSION:
        raise unreadable(path, f"it is not a fastText model of version {_VERSION}")
    dim, _, _, _, _, _, _, kind, count, least, most, _, _ = _ARGUMENTS.unpack(
        _exactly(path, file, _ARGUMENTS.size, "its arguments")
    )
    if kind == _SUPERVISED:
        raise unreadable(path, "it is a classifier, not word vectors")
    check_shape(path, 1, dim)
    if not 0 <= count <= _MAX_BUCKETS:
        raise unreadable(path, f"it promises {count:,} buckets, allowed are 0 to {_MAX_BUCKETS:,}")
    if most == 0:
        count = 0
    elif not 1 <= least <= most <= MAX_GRAM:
        raise unreadable(path, f"its pieces have {least} to {most} characters, allowed are 1 to {MAX_GRAM}")
    return _Head(dim, count, least, most)


def _dictionary(path: Path, file: BinaryIO, max_words: int, pulse: Pulse) -> tuple[list[str], NDArray[np.float64], int]:
    """The first words, their counts, and how many words there are."""
    size, all_words, labels, _, pruned = _COUNTS.unpack(_exactly(path, file, _COUNTS.size, "its dictionary"))
    if labels or size != all_words:
        raise unreadable(path, f"it has {labels} labels: it is a classifier, not word vectors")
    if pruned > 0:
        raise unreadable(path, "its dictionary is pruned, as quantised models' are; take the full .bin")
    check_shape(path, size, 1)
    words: dict[str, None] = {}
    counts: list[int] = []
    for number in range(1, size + 1):
        word = _word(path, file, number)
        count, kind = _ENTRY.unpack(_exactly(path, file, _ENTRY.size, f"word {number:,}"))
        if kind != 0 or count < 0:
            raise unreadable(path, f"entry {number:,} of its dictionary is not a word")
        if len(words) < max_words:
            if word in words:
                raise unreadable(path, f"its dictionary names word {number:,} twice")
            words[word] = None
            counts.append(count)
        pulse.beat()
    return list(words), np.array(counts, dtype=np.float64), size


def _word(path: Path, file: BinaryIO, number: int) -> str:
    letters = bytearray()
    while (letter := file.read(1)) != b"\0":
        if not letter:
            raise unreadable(path, f"it is cut off in word {number:,} of its dictionary")
        letters += letter
        if len(letters) > MAX_WORD_BYTES:
            raise unreadable(path, f"word {number:,} of its dictionary has more than {MAX_WORD_BYTES:,} bytes")
    # Published models hold words cut inside a character; such a one is found by nobody.
    return letters.decode("utf-8", errors="backslashreplace")


def _composed(
    table: NDArray[np.float32], words: Sequence[str], subwords: NDArray[np.float32], head: _Head, pulse: Pulse
) -> NDArray[np.float32]:
    vectors = np.array(table[: len(words)], dtype=np.float32)
    if not head.buckets:
        return vectors
    for row, word in enumerate(words):
        pieces = buckets(word, head.least, head.most, head.buckets)
        if pieces:
            vectors[row] = (vectors[row] + subwords[pieces].sum(axis=0, dtype=np.float64)) / (len(pieces) + 1)
        pulse.beat()
    return vectors


def _exactly(path: Path, file: BinaryIO, size: int, what: str) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise unreadable(path, f"it is cut off in {what}")
    return data
