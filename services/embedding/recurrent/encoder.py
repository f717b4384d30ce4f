"""From words to contextual vectors: the trained network as it stands in a model folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.embedding.batching import plan_batches
from services.embedding.own_tensors import tensor_of
from services.embedding.recurrent.cells import Floats, Layer, Packing

UNKNOWN = 0
BOUNDARY = 1
FIRST_WORD = 2
"""Rows of the embedding: what no word of the vocabulary is, what stands between texts, then the vocabulary."""

BATCH_WORDS = 16_384
"""Words of one pass: the gates of an LSTM of 256 take 64 MB."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """A recurrent language model without its output layer.

    Attributes:
        embedding: shape (FIRST_WORD + words, width).
        forward: layers that read from the first word to the last.
        backward: layers that read from the last to the first; none in a simple recurrent network.
        mix: what each level counts, the words' own vectors first; shape (1 + layers,).
    """

    embedding: Floats
    forward: tuple[Layer, ...]
    backward: tuple[Layer, ...]
    mix: Floats

    @property
    def dim(self) -> int:
        """Numbers in a contextual vector."""
        return int(self.embedding.shape[1]) * (2 if self.backward else 1)

    def encode(self, sequences: Sequence[Sequence[int]]) -> Iterator[tuple[int, Floats]]:
        """Contextual vectors of texts given as row numbers of words, in no particular order.

        Yields:
            (number of the text, float32 of shape (words, dim)); texts without a word are left out.
        """
        there = [number for number, sequence in enumerate(sequences) if len(sequence)]
        lengths = [len(sequences[number]) for number in there]
        for batch in plan_batches(lengths, budget_tokens=BATCH_WORDS):
            numbers = [there[position] for position in batch]
            yield from zip(numbers, self._pass([sequences[number] for number in numbers]), strict=True)

    def _pass(self, sequences: Sequence[Sequence[int]]) -> list[Floats]:
        packing = Packing.of([len(sequence) for sequence in sequences])
        sides = [(self._side(self.forward, packing, sequences), False)]
        if self.backward:
            turned = [list(sequence)[::-1] for sequence in sequences]
            sides.append((self._side(self.backward, packing, turned), True))
        return [
            np.concatenate([mixed[packing.rows(text, backward=back)] for mixed, back in sides], axis=1)
            for text in range(len(sequences))
        ]

    def _side(self, layers: tuple[Layer, ...], packing: Packing, sequences: Sequence[Sequence[int]]) -> Floats:
        level = self.embedding[packing.pack(sequences)]
        mixed: Floats = self.mix[0] * level
        for share, layer in zip(self.mix[1:], layers, strict=True):
            level = layer.states(level, packing)
            mixed = mixed + share * level
        return mixed


def encoder_tensors(encoder: Encoder) -> dict[str, NDArray[Any]]:
    """An encoder as it is saved."""
    tensors: dict[str, NDArray[Any]] = {"embedding": encoder.embedding, "mix": encoder.mix}
    for side, layers in (("forward", encoder.forward), ("backward", encoder.backward)):
        for number, layer in enumerate(layers):
            for part in ("inputs", "recurrent", "bias"):
                tensors[f"{side}.{number}.{part}"] = getattr(layer, part)
    return tensors


def read_encoder(
    folder: Path, tensors: Mapping[str, NDArray[Any]], *, words: int, width: int, layers: int, gates: int, both: bool
) -> Encoder:
    """The encoder that was saved, every tensor of the expected shape.

    Args:
        both: whether there are layers that read backward.

    Raises:
        ModelError: code "model-unreadable".
    """

    def take(name: str, *shape: int) -> Floats:
        return tensor_of(folder, tensors, name, shape).astype(np.float32, copy=False)

    def side(name: str) -> tuple[Layer, ...]:
        return tuple(
            Layer(
                take(f"{name}.{number}.inputs", gates * width, width),
                take(f"{name}.{number}.recurrent", gates * width, width),
                take(f"{name}.{number}.bias", gates * width),
            )
            for number in range(layers)
        )

    return Encoder(
        embedding=take("embedding", FIRST_WORD + words, width),
        forward=side("forward"),
        backward=side("backward") if both else (),
        mix=take("mix", 1 + layers),
    )
