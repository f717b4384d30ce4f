"""Texts without marked blocks, made from numbers alone: what they are cut into must not change by accident."""

from __future__ import annotations

from collections.abc import Iterator

from services.ingest.values import Extracted, Heading

_VOCABULARY = (
    "protein of the binding cell in mice was a significantly increased expression and response to treatment with "
    "patients who had been receiving low-dose aspirin for 12 months, while (n = 30) controls p<0.05 e.g. T-cell "
    "naïve"
)
_WORDS = _VOCABULARY.split()


def _numbers(seed: int) -> Iterator[int]:
    """A linear congruential generator: the same numbers with every version of Python."""
    state = seed
    while True:
        state = (state * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % (1 << 64)
        yield state >> 33


def _sentence(numbers: Iterator[int]) -> str:
    words = [_WORDS[next(numbers) % len(_WORDS)] for _ in range(6 + next(numbers) % 30)]
    return (" ".join(words)).capitalize() + (".", ".", ".", "?", "!")[next(numbers) % 5]


def _paragraph(numbers: Iterator[int], sentences: int) -> str:
    return " ".join(_sentence(numbers) for _ in range(1 + next(numbers) % sentences))


def abstract(seed: int) -> Extracted:
    """One paragraph of 8 to 20 sentences, as the abstracts of SciFact are."""
    numbers = _numbers(seed)
    return Extracted(" ".join(_sentence(numbers) for _ in range(8 + next(numbers) % 13)))


def article(seed: int) -> Extracted:
    """Paragraphs under headings."""
    numbers = _numbers(seed)
    parts, headings, length = [], [], 0
    for number in range(12):
        text = f"Section {number}" if number % 3 == 0 else _paragraph(numbers, 9)
        if number % 3 == 0:
            headings.append(Heading(length, length + len(text), 1 + number % 2, text))
        parts.append(text)
        length += len(text) + 2
    return Extracted("\n\n".join(parts), headings=tuple(headings))


def typed(seed: int) -> Extracted:
    """A list, indented code and a table as somebody types them into a plain text: nobody has marked them."""
    numbers = _numbers(seed)
    items = "\n".join(f"- {_paragraph(numbers, 2)}" for _ in range(9))
    code = "\n".join(f"    if value_{n} > {n}:\n        return call(value_{n})" for n in range(30))
    table = "\n".join(f"| row {n} | {next(numbers) % 1000} | yes |" for n in range(40))
    return Extracted("\n\n".join([_paragraph(numbers, 4), items, code, table, "x" * 3000, "日本語の文。" * 200]))


PLAIN_TEXTS = {
    **{f"abstract {seed}": abstract(seed) for seed in range(1, 5)},
    **{f"article {seed}": article(seed) for seed in range(1, 4)},
    "typed": typed(7),
}
