"""Trainers of "rnn" and "elmo": vocabulary, stream of words, language model, and what all texts have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.embedding.families import Setting, Tick
from services.embedding.own_folder import OwnModel, write_own_folder
from services.embedding.recurrent.embedder import ELMO, MAX_LAYERS, MEAN, POOLINGS, RNN, Pooling, text_means
from services.embedding.recurrent.encoder import BOUNDARY, FIRST_WORD, UNKNOWN, Encoder, encoder_tensors
from services.embedding.training.settings import Choice, Real, Rule, Settings, Whole, bad_training, read_settings
from services.embedding.training.texts import Counted, Pulse, batches, spread
from services.embedding.words import folded_words
from services.embedding.wordvectors.sif import sif_weights
from services.embedding.wordvectors.writing import count_words

FITTED_ON = 4000
"""Texts whose vectors say what all texts have in common."""
_BATCH = 256
EVEN, TOP, WORDS_ONLY = "even", "top", "words"

_SHARED: Mapping[str, Rule] = {
    "epochs": Whole(3, 1, 100),
    "minutes": Real(5.0, 0.01, 240.0),
    "min_count": Whole(2, 1, 1_000_000),
    "max_words": Whole(20_000, 16, 200_000),
    "stream": Whole(3_000_000, 1000, 50_000_000),
    "pooling": Choice(MEAN, POOLINGS),
    "mix": Choice(EVEN, (EVEN, TOP, WORDS_ONLY)),
    "sif_a": Real(1e-3, 1e-6, 1.0),
    "common": Whole(8, 0, 64),
    "max_tokens": Whole(256, 16, 8192),
    "seed": Whole(1, 0, 2**31 - 1),
}
RNN_SETTINGS: Mapping[str, Rule] = {"dim": Whole(256, 8, 1024), **_SHARED}
ELMO_SETTINGS: Mapping[str, Rule] = {"dim": Whole(256, 8, 2048), "layers": Whole(2, 1, MAX_LAYERS), **_SHARED}
"""Settings. ``stream``: most words that are learned from, taken from texts spread over the collection; ``minutes``:
wall-clock limit; ``mix``: what counts in a contextual vector, all levels evenly or one; ``sif_a``: the a of the
words' weights a / (a + frequency); ``common``: principal directions of the texts' vectors that are taken away."""


def train_rnn(texts: Iterable[str], settings: Mapping[str, Setting], folder: Path, tick: Tick) -> None:
    """A simple recurrent (Elman) network that learns to guess the next word. See ``Trainer``."""
    _train(texts, read_settings(RNN, settings, RNN_SETTINGS), folder, tick)


def train_elmo(texts: Iterable[str], settings: Mapping[str, Setting], folder: Path, tick: Tick) -> None:
    """Two LSTM language models, one reading backward, as in ELMo (Peters et al., 2018), on words. See ``Trainer``."""
    _train(texts, read_settings(ELMO, settings, ELMO_SETTINGS), folder, tick)


def _train(texts: Iterable[str], settings: Settings, folder: Path, tick: Tick) -> None:
    both = settings.family == ELMO
    dim = settings.whole("dim")
    if both and dim % 2:
        raise bad_training(ELMO, f"dim is {dim}, and half of it is read backward; give an even number")
    from services.embedding.recurrent.language_model import Plan, train_language_model

    pulse = Pulse(tick)
    counted = count_words(texts, settings, pulse)
    rows = {word: FIRST_WORD + number for number, word in enumerate(counted.terms)}
    stream = _stream(texts, counted, rows, settings.whole("stream"), pulse)
    counts = np.bincount(stream, minlength=FIRST_WORD + len(rows)).astype(np.float64)
    plan = Plan(
        gates=4 if both else 1,
        width=dim // 2 if both else dim,
        layers=settings.whole("layers") if both else 1,
        both=both,
        epochs=settings.whole("epochs"),
        limit_s=settings.real("minutes") * 60,
        seed=settings.whole("seed"),
    )
    trained = train_language_model(stream, counts, plan, pulse)
    encoder = replace(trained.encoder, mix=_mix(settings.word("mix"), trained.encoder, stream))
    pooling = _pooling(texts, counted, rows, encoder, settings, pulse)
    model = OwnModel(
        family=settings.family,
        dim=encoder.dim,
        max_tokens=settings.whole("max_tokens"),
        pooling=pooling.kind,
        settings={"layers": plan.layers},
        trained_on=f"{counted.texts:,} texts, {len(stream):,} words read in {trained.steps:,} of {trained.planned:,} "
        f"steps, {len(rows):,} different; {trained.loss:.2f} nats a word",
    )
    tensors = {"weights": pooling.weights, "center": pooling.center, "common": pooling.common}
    write_own_folder(folder, model, {**encoder_tensors(encoder), **tensors}, counted.terms)


def _stream(texts: Iterable[str], counted: Counted, rows: dict[str, int], most: int, pulse: Pulse) -> NDArray[np.int32]:
    """The texts one after another, a boundary before each and one at the end."""
    share = max(1, int(counted.texts * most / max(counted.total + counted.texts, 1)))
    pieces = []
    for text in spread(texts, counted.texts, share):
        numbers = [BOUNDARY, *(rows.get(word, UNKNOWN) for word in folded_words(text))]
        pieces.append(np.array(numbers, dtype=np.int32))
        pulse.beat()
    return np.concatenate([*pieces, np.array([BOUNDARY], dtype=np.int32)])[:most]


def _mix(kind: str, encoder: Encoder, stream: NDArray[np.int32]) -> NDArray[np.float32]:
    """How much each level counts: words' vectors and states differ in size, so evenly means by their lengths."""
    levels = len(encoder.forward) + 1
    if kind != EVEN:
        one: NDArray[np.float32] = np.eye(levels, dtype=np.float32)[levels - 1 if kind == TOP else 0]
        return one
    sample = [stream[start : start + 64].tolist() for start in range(0, min(len(stream), 64 * 64), 64)]
    shares = np.zeros(levels, dtype=np.float32)
    for level in range(levels):
        alone = replace(encoder, mix=np.eye(levels, dtype=np.float32)[level])
        squares = np.concatenate([np.square(vectors).sum(axis=1) for _, vectors in alone.encode(sample)])
        shares[level] = 1.0 / (levels * max(float(np.sqrt(squares.mean())), 1e-6))
    return shares


def _pooling(
    texts: Iterable[str],
    counted: Counted,
    rows: dict[str, int],
    encoder: Encoder,
    settings: Settings,
    pulse: Pulse,
) -> Pooling:
    """The words' weights, and what the texts' vectors have in common."""
    weights = np.ones(FIRST_WORD + len(rows), dtype=np.float32)
    weights[FIRST_WORD:] = sif_weights(
        np.array(counted.counts, dtype=np.float64), counted.total, settings.real("sif_a")
    )
    dim = encoder.dim
    nothing = np.zeros(dim, dtype=np.float32)
    bare = Pooling(settings.word("pooling"), weights, nothing, np.zeros((0, dim), dtype=np.float32))
    limit = settings.whole("max_tokens")
    found: list[NDArray[np.float64]] = []
    for some in batches(spread(texts, counted.texts, FITTED_ON), _BATCH, pulse):
        sequences = [[rows.get(word, UNKNOWN) for word in folded_words(text, limit)] for text in some]
        found.append(text_means(encoder, bare, _with_words(sequences)))
    vectors = np.concatenate(found)
    if len(vectors) < 2:
        return bare
    center = vectors.mean(axis=0)
    # A few texts span few directions; to take those away would leave rounding errors.
    count = min(settings.whole("common"), len(vectors) // 8, dim // 8)
    _, axes = np.linalg.eigh(np.cov(vectors.T))
    common = np.ascontiguousarray(axes[:, ::-1][:, :count].T, dtype=np.float32)
    return replace(bare, center=center.astype(np.float32), common=common)


def _with_words(sequences: Sequence[Sequence[int]]) -> list[Sequence[int]]:
    return [sequence for sequence in sequences if sequence]
