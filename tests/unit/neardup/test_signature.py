from __future__ import annotations

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.neardup.signature import BANDS, MIN_WORDS, MINIMA, ROWS, SHINGLE_WORDS, Signature, likeness, sign

GOLDEN = ("dd5d560041721925a7faece363a0c8b4", "6243e7f5d151f642", "966989067479")
VOCABULARY = [f"w{n}" for n in range(5000)]


def signed(text: str, title: str = "") -> Signature:
    signature = sign(text, title)
    assert signature is not None
    return signature


def shingles(words: list[str]) -> set[tuple[str, ...]]:
    return {tuple(words[at : at + SHINGLE_WORDS]) for at in range(len(words) - SHINGLE_WORDS + 1)}


def jaccard(one: list[str], other: list[str]) -> float:
    first, second = shingles(one), shingles(other)
    return len(first & second) / len(first | second)


def pair(chance: random.Random, words: int, swaps: int) -> tuple[list[str], list[str]]:
    one = chance.choices(VOCABULARY, k=words)
    other = list(one)
    for at in chance.sample(range(words), swaps):
        other[at] = "other"
    return one, other


def test_likeness_estimates_the_exact_jaccard() -> None:
    chance = random.Random(7)
    errors = []
    for number in range(300):
        one, other = pair(chance, 60 + number, number % 40)
        exact = jaccard(one, other)
        errors.append(likeness(signed(" ".join(one)).minima, signed(" ".join(other)).minima) - exact)
    assert abs(statistics.mean(errors)) < 0.01, "no bias"
    assert statistics.pstdev(errors) < 0.06, "sqrt(s(1-s)/72) is 0.059 at its largest"
    assert max(map(abs, errors)) < 0.25


@pytest.mark.parametrize(("swaps", "least", "most"), [(0, 1.0, 1.0), (3, 0.97, 1.0), (14, 0.3, 0.8), (90, 0.0, 0.01)])
def test_bands_meet_as_often_as_they_should(swaps: int, least: float, most: float) -> None:
    """Compared with 1 - (1 - s^6)^6 for the exact likeness of each pair; about 1, 0.94, 0.7 and 0.15 here."""
    chance = random.Random(swaps)
    met, expected, pairs = 0, 0.0, 200
    for _ in range(pairs):
        one, other = pair(chance, 400, swaps)
        first, second = signed(" ".join(one)), signed(" ".join(other))
        met += any(a == b for a, b in zip(first.bands, second.bands, strict=True))
        expected += 1 - (1 - jaccard(one, other) ** ROWS) ** BANDS
    assert met / pairs == pytest.approx(expected / pairs, abs=0.1)
    assert least <= expected / pairs <= most


def test_unrelated_texts_are_nothing_alike() -> None:
    chance = random.Random(3)
    for _ in range(100):
        one, other = (" ".join(chance.choices(VOCABULARY, k=200)) for _ in range(2))
        assert likeness(signed(one).minima, signed(other).minima) < 0.05


def test_white_space_changes_nothing_and_case_only_what_is_the_same() -> None:
    text = " ".join(VOCABULARY[:40])
    assert signed(text) == signed("\n " + text.replace(" ", " \n\t"))
    upper = signed(text.upper() + "!")
    assert upper.exact != signed(text).exact
    assert upper.minima == signed(text).minima
    assert signed("ﬁne café " * 12) == signed("fine cafe\u0301 " * 12)


def test_a_short_text_is_the_same_or_not() -> None:
    short = " ".join(VOCABULARY[: MIN_WORDS - 1])
    assert signed(short).minima == b""
    assert signed(short).bands == ()
    assert signed(short, "A").exact == signed(short + " ", " A").exact
    assert signed(short, "A").exact != signed(short, "B").exact, "its title is part of what it says"
    assert likeness(signed(short).minima, signed(short).minima) == 0.0
    long = short + " one more"
    assert signed(long, "A") == signed(long, "B")


def test_blank_texts_have_no_signature() -> None:
    assert sign("") is None
    assert sign(" \n\t\u3000", "Title") is None


def test_scripts_without_blanks_are_compared_by_character() -> None:
    text = "".join(chr(0x4E00 + n) for n in range(0, 900, 3))
    changed = text[:150] + "山" + text[151:]
    assert likeness(signed(text).minima, signed(changed).minima) > 0.9
    assert signed(text).minima


def test_signatures_stay_what_they_are() -> None:
    """They are stored: a change of the constants makes every stored one worthless, and must not happen by accident."""
    signature = signed(" ".join(VOCABULARY[:50]))
    assert len(signature.minima) == 2 * MINIMA
    assert [len(band) for band in signature.bands] == [6] * BANDS
    assert (signature.exact.hex(), signature.minima[:8].hex(), signature.bands[0].hex()) == GOLDEN


def test_a_long_text_needs_no_more_memory_than_its_words() -> None:
    one = VOCABULARY * 20
    assert likeness(signed(" ".join(one)).minima, signed(" ".join([*one, "more"])).minima) > 0.9


@given(st.text(max_size=400))
def test_any_text_can_be_signed(text: str) -> None:
    signature = sign(text)
    assert (signature is None) == (not text.strip())
    assert signature == sign(text)
