"""Walking over a collection's texts in bounded memory, without the caller's clock running out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from services.embedding.families import Tick

MAX_TERMS = 2_000_000
"""Terms counted at once: about 250 MB. Beyond it the rarest are forgotten."""
_TICK_EVERY_S = 0.2


class Pulse:
    """Calls ``tick`` as often as is wanted and not more: it may cost a write to Redis."""

    def __init__(self, tick: Tick) -> None:
        self._tick = tick
        self._next_s = 0.0

    def beat(self) -> None:
        """Calls ``tick`` if the last time was a while ago; what it raises goes through."""
        now = time.monotonic()
        if now >= self._next_s:
            self._tick()
            self._next_s = time.monotonic() + _TICK_EVERY_S


@dataclass(frozen=True, slots=True)
class Counted:
    """Terms by how often they occur.

    Attributes:
        terms: most frequent first, equal ones by their letters.
        counts: of each term.
        total: all occurrences, those of dropped terms included.
        texts: how many texts there were.
    """

    terms: list[str]
    counts: list[int]
    total: int
    texts: int


def count_terms(
    texts: Iterable[str],
    analyze: Callable[[str], Iterable[str]],
    *,
    least: int,
    most_terms: int,
    pulse: Pulse,
    per_text: bool,
) -> Counted:
    """Counts terms over all texts, which are held one at a time.

    Args:
        analyze: a text's terms.
        least: a term that occurs less often is dropped.
        most_terms: at most so many are kept, the most frequent.
        per_text: count texts with the term (document frequency) instead of occurrences.
    """
    counts: Counter[str] = Counter()
    total = number = forgotten = 0
    for text in texts:
        number += 1
        terms = analyze(text)
        found = list(set(terms)) if per_text else list(terms)
        counts.update(found)
        total += len(found)
        if len(counts) > MAX_TERMS:
            # As in lossy counting: whoever has the least count of all so far can hardly become frequent.
            forgotten += 1
            counts = Counter({term: count for term, count in counts.items() if count > forgotten})
        pulse.beat()
    kept = sorted((-count, term) for term, count in counts.items() if count >= least)[:most_terms]
    return Counted([term for _, term in kept], [-count for count, _ in kept], total, number)


def batches(texts: Iterable[str], size: int, pulse: Pulse) -> Iterator[list[str]]:
    """Slices of ``size`` texts."""
    walk = iter(texts)
    while taken := list(islice(walk, size)):
        pulse.beat()
        yield taken


def spread(texts: Iterable[str], count: int, most: int) -> Iterable[str]:
    """At most ``most`` of ``count`` texts, evenly spread over them: what a decomposition is fitted on."""
    step = max(-(-count // most), 1)
    return islice(texts, 0, None, step)


def encode(words: Sequence[str], ids: dict[str, int]) -> list[int]:
    """Numbers of the known words; others are left out, as the word2vec and GloVe programs do."""
    return [number for word in words if (number := ids.get(word)) is not None]
