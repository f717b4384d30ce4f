"""Tiny recurrent models, trained in a second or two on a corpus in which a word has two senses."""

from __future__ import annotations

import random
from pathlib import Path

from services.embedding.families import Setting, trainer_of

STAGE = ["actors", "theatre", "curtain", "stage", "audience"]
GAME = ["children", "garden", "ball", "swing", "sunshine"]


def corpus(count: int = 400) -> list[str]:
    """Sentences about the theatre and about children; "play" stands in both, between words that tell which."""
    rng = random.Random(5)
    texts = []
    for number in range(count):
        words = STAGE if number % 2 else GAME
        texts.append(" ".join([*rng.choices(words, k=3), "play", *rng.choices(words, k=3)]))
    return [*texts, "compress a file before it is sent, make the file smaller, then send the word"]


def train(family: str, folder: Path, **settings: Setting) -> str:
    """A tiny model of that family in an empty folder."""
    given: dict[str, Setting] = {"dim": 16, "epochs": 40, "min_count": 1, "max_tokens": 64, "common": 0, **settings}
    trainer_of(family)(corpus(), given, folder, lambda: None)
    return str(folder)


def build_rnn(folder: Path) -> str:
    return train("rnn", folder)


def build_elmo(folder: Path) -> str:
    return train("elmo", folder, layers=2)
