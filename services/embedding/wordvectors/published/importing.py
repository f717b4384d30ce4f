"""From a published file of word vectors to a model folder."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from services.embedding.families import Setting, Tick
from services.embedding.own_folder import OwnModel, write_own_folder
from services.embedding.training.texts import Pulse
from services.embedding.words import fold
from services.embedding.wordvectors.published.fasttext_binary import MAGIC, read_fasttext_binary
from services.embedding.wordvectors.published.found import MAX_WORDS, Published, unreadable
from services.embedding.wordvectors.published.text_files import read_text_file
from services.embedding.wordvectors.published.word2vec_binary import read_word2vec_binary
from services.embedding.wordvectors.sif import expected_direction, sif_weights, zipf_counts
from services.errors import InvalidInput, ModelError

_SIF_A = 1e-3
_MAX_TOKENS = 512
_HEAD_BYTES = 4096
_PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def import_word_vectors(path: Path, folder: Path, *, max_words: int = 400_000, tick: Tick) -> None:
    """Reads GloVe .txt, word2vec text or .bin, fastText .vec or .bin (by content; text also gzip) into a model folder.

    Where the file does not say how often words occur, they are taken to follow Zipf's law in the order of the file, as
    published sets are sorted by frequency; the direction that texts have in common is estimated from the words.

    Args:
        path: the file; read in place, nothing in it is run.
        folder: exists and is empty.
        max_words: the first so many words are taken. 400,000 of 300 numbers are 480 MB.
        tick: called at least once a second; what it raises ends the import.

    Raises:
        InvalidInput: code "bad-training", ``max_words`` out of range.
        ModelError: code "model-missing" or "model-unreadable".
    """
    if not 1 <= max_words <= MAX_WORDS:
        raise InvalidInput(
            f"max_words is {max_words:,}, allowed are 1 to {MAX_WORDS:,}; leave it out for 400,000",
            code="bad-training",
        )
    if not path.is_file():
        raise ModelError(f"there is no file {path}; check the path", code="model-missing")
    pulse = Pulse(tick)
    found = read_published(path, max_words, pulse)
    counts = found.counts if found.counts is not None else zipf_counts(len(found.words))
    counts = np.maximum(counts, 0.0)
    total = float(counts.sum())
    if total <= 0:
        counts, total = zipf_counts(len(found.words)), float(zipf_counts(len(found.words)).sum())
    weights = sif_weights(counts, total, _SIF_A)
    tensors = {
        "vectors": found.vectors,
        "weights": weights,
        "common": expected_direction(found.vectors, weights, counts),
    }
    settings: dict[str, Setting] = {"cased": any(fold(word) != word for word in found.words)}
    if found.subwords is not None:
        tensors["subwords"] = found.subwords
        settings |= {"least_gram": found.grams[0], "most_gram": found.grams[1]}
    model = OwnModel(
        family=found.family,
        dim=found.vectors.shape[1],
        max_tokens=_MAX_TOKENS,
        pooling="sif",
        settings=settings,
        trained_on=f"{path.name}: {len(found.words):,} words",
    )
    write_own_folder(folder, model, tensors, found.words)


def read_published(path: Path, max_words: int, pulse: Pulse) -> Published:
    """The word vectors in a file, whatever its name; raises as ``import_word_vectors``."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        if head.startswith(_PICKLES):
            raise unreadable(path, "it is a Python pickle (gensim's own format), which can run code when it is read")
        if head[:4] == struct.pack("<i", MAGIC):
            return read_fasttext_binary(path, max_words, pulse)
        if _binary(head):
            return read_word2vec_binary(path, max_words, pulse)
        return read_text_file(path, max_words, pulse)
    except OSError as error:
        raise unreadable(path, error.strerror or type(error).__name__) from error


def _binary(head: bytes) -> bool:
    """Whether a head of two counts is followed by what is no line of text."""
    first, _, rest = head.partition(b"\n")
    counts = first.split()
    if len(counts) != 2 or not all(count.isdigit() for count in counts):
        return False
    line, end, _ = rest.partition(b"\n")
    fields = line.rstrip().split(b" ")[1:] if end else line.split(b" ")[1:-1]
    return not fields or not all(_is_number(field) for field in fields)


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True
