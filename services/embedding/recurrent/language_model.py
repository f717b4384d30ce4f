"""The network while it learns: torch, imported only by trainers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from services.embedding.recurrent.cells import Layer
from services.embedding.recurrent.encoder import Encoder
from services.embedding.training.texts import Pulse

STEPS = 32
"""Words that the gradient goes back."""
ROWS = 32
"""Stretches of the collection that are read side by side."""
FULL_SOFTMAX = 3000
"""Up to so many words each is a candidate at every step; beyond it as many are drawn (sampled softmax)."""
_LEARNING_RATE = 5e-3
_CLIP = 1.0
_LEAST_ROW = 16 * STEPS


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a network is built and trained.

    Attributes:
        gates: 4 for LSTM, 1 for a simple recurrent network.
        width: numbers in a word's vector and in each hidden state.
        layers: recurrent layers of each direction.
        both: whether a second network reads backward.
        epochs: how often the collection is gone over.
        limit_s: wall-clock limit; a training that runs into it depends on the machine's speed.
        seed: of the first weights and of the candidates.
    """

    gates: int
    width: int
    layers: int
    both: bool
    epochs: int
    limit_s: float
    seed: int


@dataclass(frozen=True, slots=True)
class Trained:
    """What came out: the network, and how well it guesses.

    Attributes:
        steps: passes of the gradient that were made, of ``planned``.
        loss: mean of the last tenth, in nats per word, against the candidates.
    """

    encoder: Encoder
    steps: int
    planned: int
    loss: float


def train_language_model(stream: NDArray[np.int32], counts: NDArray[np.float64], plan: Plan, pulse: Pulse) -> Trained:
    """Learns to guess the next word of a stream, and with ``both`` the one before.

    One core, so that the same seed gives the same weights again.

    Args:
        stream: rows of the embedding, shape (words,), at least 2.
        counts: of each row in the stream, shape (rows,).
    """
    with _one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        return _train(stream, counts, plan, pulse)


class _Side:
    """One direction: its layers, its share of the stream, and the states that it carries from stretch to stretch."""

    def __init__(self, stream: NDArray[np.int32], plan: Plan) -> None:
        make = torch.nn.LSTM if plan.gates == 4 else torch.nn.RNN
        self.layers = [make(plan.width, plan.width) for _ in range(plan.layers)]
        rows = max(1, min(ROWS, len(stream) // _LEAST_ROW))
        length = len(stream) // rows
        self.stretches = torch.from_numpy(stream[: rows * length].astype(np.int64).reshape(rows, length).T.copy())
        self._carried: list[Any] = [None] * plan.layers

    def begin(self) -> None:
        """Forgets what was read."""
        self._carried = [None] * len(self.layers)

    def read(self, words: torch.Tensor) -> torch.Tensor:
        """States of the last layer."""
        level = words
        for number, layer in enumerate(self.layers):
            states, carried = layer(level, self._carried[number])
            self._carried[number] = _detached(carried)
            level = states
        return level


class _Guessing:
    """The output layer: the words' own vectors once more, and which of them are candidates at a step."""

    def __init__(self, counts: NDArray[np.float64], seed: int) -> None:
        self.bias = torch.nn.Parameter(torch.zeros(len(counts)))
        self._size = len(counts)
        self._rng = np.random.Generator(np.random.PCG64(seed))
        damped = np.maximum(counts, 1e-3) ** 0.75
        self._chance = damped / damped.sum()
        self._upto = np.cumsum(self._chance)

    def loss(self, states: torch.Tensor, targets: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        """Cross-entropy of the targets among the candidates, corrected for how likely each is a candidate.

        Sampled softmax after Jean et al. (2015, "On using very large target vocabulary", section 3).
        """
        if self._size <= FULL_SOFTMAX:
            return torch.nn.functional.cross_entropy(states @ embedding.T + self.bias, targets)
        drawn = np.searchsorted(self._upto, self._rng.random(FULL_SOFTMAX) * self._upto[-1])
        found = np.union1d(targets.numpy(), np.minimum(drawn, self._size - 1))
        candidates = torch.from_numpy(found)
        tries = FULL_SOFTMAX + len(targets)
        chance = -np.expm1(tries * np.log1p(-self._chance[found]))
        scores = states @ embedding[candidates].T + self.bias[candidates]
        scores = scores - torch.from_numpy(np.log(chance)).float()
        return torch.nn.functional.cross_entropy(scores, torch.from_numpy(np.searchsorted(found, targets.numpy())))


def _train(stream: NDArray[np.int32], counts: NDArray[np.float64], plan: Plan, pulse: Pulse) -> Trained:
    embedding = torch.nn.Parameter(torch.randn(len(counts), plan.width) / plan.width**0.5)
    sides = [_Side(stream, plan)]
    if plan.both:
        sides.append(_Side(stream[::-1], plan))
    guessing = _Guessing(counts, plan.seed)
    parameters = [
        embedding,
        guessing.bias,
        *(each for side in sides for layer in side.layers for each in layer.parameters()),
    ]
    optimizer = torch.optim.Adam(parameters, lr=_LEARNING_RATE)
    per_epoch = max(1, -(-(len(sides[0].stretches) - 1) // STEPS))
    planned = plan.epochs * per_epoch
    losses: list[float] = []
    ends = time.monotonic() + plan.limit_s
    for step in range(planned):
        pulse.beat()
        at = step % per_epoch
        if at == 0:
            for side in sides:
                side.begin()
        optimizer.zero_grad()
        loss = torch.stack([_stretch_loss(side, at * STEPS, embedding, guessing) for side in sides]).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, _CLIP)
        for group in optimizer.param_groups:
            group["lr"] = _LEARNING_RATE * (1 - 0.9 * step / planned)
        optimizer.step()
        losses.append(float(loss.detach()))
        if time.monotonic() >= ends:
            break
    last = losses[-max(1, len(losses) // 10) :]
    return Trained(_encoder(embedding, sides), len(losses), planned, sum(last) / len(last))


def _stretch_loss(side: _Side, start: int, embedding: torch.Tensor, guessing: _Guessing) -> torch.Tensor:
    piece = side.stretches[start : start + STEPS + 1]
    states = side.read(embedding[piece[:-1]])
    return guessing.loss(states.flatten(0, 1), piece[1:].flatten(), embedding)


def _encoder(embedding: torch.Tensor, sides: list[_Side]) -> Encoder:
    def numbers(tensor: torch.Tensor) -> NDArray[np.float32]:
        return np.array(tensor.detach().numpy(), dtype=np.float32)

    def layers(side: _Side) -> tuple[Layer, ...]:
        states = [dict(layer.named_parameters()) for layer in side.layers]
        return tuple(
            Layer(
                numbers(state["weight_ih_l0"]),
                numbers(state["weight_hh_l0"]),
                numbers(state["bias_ih_l0"] + state["bias_hh_l0"]),
            )
            for state in states
        )

    levels = 1 + len(sides[0].layers)
    even = np.full(levels, 1.0 / levels, dtype=np.float32)
    return Encoder(numbers(embedding), layers(sides[0]), layers(sides[1]) if len(sides) > 1 else (), even)


def _detached(carried: Any) -> Any:
    return tuple(each.detach() for each in carried) if isinstance(carried, tuple) else carried.detach()


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
