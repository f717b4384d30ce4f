"""word2vec's binary form: a line with two counts, then a word, a blank and its float32 numbers, word after word."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np

from services.embedding.training.texts import Pulse
from services.embedding.wordvectors.published.found import (
    MAX_WORD_BYTES,
    Published,
    check_numbers,
    check_shape,
    check_size,
    unreadable,
)

_MAX_HEAD_BYTES = 64


def read_word2vec_binary(path: Path, max_words: int, pulse: Pulse) -> Published:
    """The first ``max_words`` words.

    Raises:
        ModelError: code "model-unreadable": no such head, cut off, a word too long or not UTF-8, NaN.
    """
    with path.open("rb") as file:
        head = file.readline(_MAX_HEAD_BYTES).split()
        if len(head) != 2 or not all(field.isdigit() for field in head):
            raise unreadable(path, "it does not begin with the number of words and of their numbers")
        promised, dim = int(head[0]), int(head[1])
        check_shape(path, promised, dim)
        size = path.stat().st_size
        if size - file.tell() < promised * (dim * 4 + 1):
            raise unreadable(path, f"it is cut off: {promised:,} words of {dim} numbers need more than {size:,} bytes")
        most = min(promised, max_words)
        check_size(path, most, dim)
        vectors = np.empty((most, dim), dtype=np.float32)
        words: dict[str, None] = {}
        for number in range(1, most + 1):
            word = _word(path, file, number)
            numbers = file.read(dim * 4)
            if len(numbers) < dim * 4:
                raise unreadable(path, f"it is cut off in word {number:,} of {promised:,}")
            if word not in words:
                vectors[len(words)] = np.frombuffer(numbers, dtype="<f4")
                words[word] = None
            pulse.beat()
    vectors = vectors[: len(words)]
    check_numbers(path, vectors, "word")
    return Published("word2vec", list(words), vectors)


def _word(path: Path, file: BinaryIO, number: int) -> str:
    """The bytes up to a blank; the original program puts an end of line before each word, gensim does not."""
    letters = bytearray()
    while (letter := file.read(1)) != b" ":
        if not letter:
            raise unreadable(path, f"it is cut off before word {number:,}")
        letters += letter
        if len(letters) > MAX_WORD_BYTES:
            raise unreadable(path, f"word {number:,} has more than {MAX_WORD_BYTES:,} bytes")
    try:
        return letters.lstrip(b"\n").decode("utf-8")
    except UnicodeDecodeError:
        raise unreadable(path, f"word {number:,} is not UTF-8") from None
