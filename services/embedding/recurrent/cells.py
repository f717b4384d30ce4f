"""Recurrent layers at work, in numpy alone: a process that only embeds needs no torch.

Sequences lie packed, as in ``torch.nn.utils.rnn.PackedSequence``: sorted by length, longest first, all first words,
then all second words, and so on. So a step is one product of matrices over the texts that still have a word, and no
number is spent on padding, which is also why a text's vector does not depend on what it is batched with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Packing:
    """Where the words of some texts lie when they are packed.

    Attributes:
        lengths: words of each text, falling, at least 1 each.
        active: texts that have a word at step t, shape (longest,).
        starts: row of the first word of step t, shape (longest,).
    """

    lengths: NDArray[np.int64]
    active: NDArray[np.int64]
    starts: NDArray[np.int64]

    @staticmethod
    def of(lengths: Sequence[int]) -> Packing:
        """The packing of texts of those lengths, longest first."""
        falling = np.asarray(lengths, dtype=np.int64)
        active = (falling[None, :] > np.arange(falling[0])[:, None]).sum(axis=1)
        return Packing(falling, active, np.concatenate(([0], np.cumsum(active)[:-1])))

    def rows(self, text: int, *, backward: bool = False) -> NDArray[np.int64]:
        """The packed rows of a text's words in the order of the text, whichever way it was read."""
        rows = self.starts[: self.lengths[text]] + text
        return rows[::-1] if backward else rows

    def pack(self, sequences: Sequence[Sequence[int]]) -> NDArray[np.int64]:
        """Numbers of words, packed; shape (words of all texts,)."""
        packed = np.empty(int(self.active.sum()), dtype=np.int64)
        for text, sequence in enumerate(sequences):
            packed[self.starts[: len(sequence)] + text] = sequence
        return packed


@dataclass(frozen=True, slots=True)
class Layer:
    """One recurrent layer: an LSTM's when there are four gates (input, forget, cell, output), else a simple one.

    Attributes:
        inputs: shape (gates x hidden, width of the input).
        recurrent: shape (gates x hidden, hidden).
        bias: shape (gates x hidden,).
    """

    inputs: Floats
    recurrent: Floats
    bias: Floats

    def states(self, packed: Floats, packing: Packing) -> Floats:
        """Hidden states after each word.

        Args:
            packed: shape (words of all texts, width of the input).

        Returns:
            shape (words of all texts, hidden), packed alike.
        """
        hidden = self.recurrent.shape[1]
        driven = packed @ self.inputs.T + self.bias
        states = np.empty((len(packed), hidden), dtype=np.float32)
        turned = np.ascontiguousarray(self.recurrent.T)
        state = np.zeros((len(packing.lengths), hidden), dtype=np.float32)
        cell = np.zeros_like(state)
        for start, count in zip(packing.starts, packing.active, strict=True):
            gates = driven[start : start + count] + state[:count] @ turned
            if gates.shape[1] == hidden:
                state = np.tanh(gates)
            else:
                into, forget, out = (_sigmoid(gates[:, at * hidden : (at + 1) * hidden]) for at in (0, 1, 3))
                cell = forget * cell[:count] + into * np.tanh(gates[:, 2 * hidden : 3 * hidden])
                state = out * np.tanh(cell)
            states[start : start + count] = state
        return states


def _sigmoid(values: Floats) -> Floats:
    """By the hyperbolic tangent, which does not overflow."""
    half: Floats = np.tanh(values * np.float32(0.5)) * np.float32(0.5) + np.float32(0.5)
    return half
