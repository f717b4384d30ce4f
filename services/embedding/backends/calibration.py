"""How far a runtime is from plain fp32, measured on fixed texts: below 0.999 it is not used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.embedding.protocol import Embedder

MIN_COSINE = 0.999
LEAST_TOLERANCE = 1e-5
# The texts are few and the promise is for all: over 2,000 docstrings MiniLM moved 1.3 times as far as here.
_TOLERANCE_MARGIN = 4.0

_SENTENCES = (
    "The ship left the harbour before the storm reached the coast, and nobody on board had slept.",
    "Set the timeout to 30 seconds; retries are not counted.",
    "Der Zug nach Zürich fährt heute ausnahmsweise von Gleis 7, bitte beachten Sie die Durchsagen.",
    "La bibliothèque ferme à dix-huit heures, sauf le mercredi où elle reste ouverte plus longtemps.",
    "El agua hierve a cien grados al nivel del mar, pero no en lo alto de la montaña.",
    "Река замёрзла раньше обычного, и лодки остались у берега до весны.",
    "図書館は駅から歩いて五分のところにあります。",
    "这座桥建于一九三二年,至今仍在使用。",
    "تفتح المكتبة أبوابها عند التاسعة صباحا.",
    "for name, value in sorted(pairs.items()): print(f'{name}={value!r}')",
    "SELECT city, COUNT(*) FROM visits WHERE day >= '2024-01-01' GROUP BY city ORDER BY 2 DESC;",
    "ibuprofen 400 mg, every 8 hours, not on an empty stomach",
    "12.5 % of 3,200 is 400; 7 x 8 = 56; 2^10 = 1024",
    "https://example.org/a/b?c=d&e=f#g",
    "Wer andern eine Grube gräbt, fällt selbst hinein.",
    "A quiet second movement is followed by a rondo in D major, played faster than the score asks for.",
)
_SHORT = ("", "?", "a", "yes", "Rome", "tax return", "how do I reset it", "🚀 🚀", "naïve café", "x" * 40)
_LENGTHS_IN_SENTENCES = (2, 3, 5, 8, 13, 21)


@dataclass(frozen=True, slots=True)
class Closeness:
    """How a runtime's vectors lie to those of plain fp32.

    Attributes:
        cosine: the lowest over the texts.
        moved: the largest change of a component between a text alone and the same text among others.
    """

    cosine: float
    moved: float

    @property
    def good(self) -> bool:
        """Whether it may be used; a NaN is not good."""
        return self.cosine >= MIN_COSINE

    @property
    def tolerance(self) -> float:
        """What to state as ``Runtime.tolerance``."""
        return max(LEAST_TOLERANCE, _TOLERANCE_MARGIN * self.moved)


def calibration_texts() -> list[str]:
    """Texts of 0 to some 600 tokens in eight languages, code and figures; always the same."""
    longer = [
        " ".join(_SENTENCES[(first + step) % len(_SENTENCES)] for step in range(count))
        for count in _LENGTHS_IN_SENTENCES
        for first in range(0, len(_SENTENCES), 9)
    ]
    return [*_SHORT, *_SENTENCES, *longer]


def reference_vectors(embedder: Embedder) -> NDArray[np.float32]:
    """The calibration texts as documents, and as queries where the model has prompts: shape (1 or 2, texts, dim)."""
    texts = calibration_texts()
    vectors = [embedder.embed_documents(texts)]
    if embedder.spec.query_prompt or embedder.spec.document_prompt:
        vectors.append(embedder.embed_queries(texts))
    return np.stack(vectors)


def compare(embedder: Embedder, reference: NDArray[np.float32]) -> Closeness:
    """Holds a runtime against the vectors of plain fp32."""
    vectors = reference_vectors(embedder)
    cosines = (vectors.astype(np.float64) * reference).sum(axis=2)
    # without prompts a text is the same vector as a query, which a runtime may make in another way
    moved = max(_moved(embedder.embed_documents, vectors[0]), _moved(embedder.embed_queries, vectors[-1]))
    lowest = float(cosines.min())
    return Closeness(lowest if np.isfinite(lowest) else -1.0, moved if np.isfinite(moved) else 2.0)


def _moved(embed: Callable[[Sequence[str]], NDArray[np.float32]], among_others: NDArray[np.float32]) -> float:
    alone = np.concatenate([embed([text]) for text in calibration_texts()])
    return float(np.abs(alone - among_others).max())
