"""Files of intrinsic checks: word similarity, sentence similarity, analogies, labelled texts.

What a file is for is seen from its first line:

- ``word<TAB>word<TAB>score`` (.tsv): word similarity, such as WordSim-353 and SimLex-999
- ``{"sentence1": ..., "sentence2": ..., "score": ...}`` (.jsonl): sentence similarity, such as STS-B
- ``{"text": ..., "label": ...}`` (.jsonl): texts to be clustered
- four words per line, sections begin with a colon (.txt): analogies, the layout of ``questions-words.txt``
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.errors import InvalidInput, NotFound

MAX_LINE_CHARS = 100_000


@dataclass(frozen=True, slots=True)
class ScoredPair:
    """Two words or sentences and how alike people found them."""

    left: str
    right: str
    score: float


@dataclass(frozen=True, slots=True)
class Analogy:
    """a is to b as c is to d."""

    a: str
    b: str
    c: str
    d: str


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A text and the group it belongs to."""

    text: str
    label: str


Items = list[ScoredPair] | list[Analogy] | list[LabelledText]


@dataclass(frozen=True, slots=True)
class Check:
    """A file that was found.

    Attributes:
        name: its path in the folder, without the ending.
        kind: "words", "sentences", "analogies" or "clusters".
        items: what it holds: ``ScoredPair``, ``ScoredPair``, ``Analogy`` or ``LabelledText``.
    """

    name: str
    kind: str
    items: Items


def find_checks(folder: Path) -> list[Check]:
    """The checks in a folder and the folders in it, by name; other files are passed over.

    Raises:
        NotFound: code "evaluation-file-missing", there is none.
        InvalidInput: code "bad-evaluation-file", a line that is not like the first.
    """
    files = sorted(path for pattern in ("*", "*/*") for path in folder.glob(pattern) if path.is_file())
    checks = [check for path in files if (check := read_check(path, folder)) is not None]
    if not checks:
        raise NotFound(
            f"{folder} holds no intrinsic check: wanted are .tsv files of word pairs with a score, .jsonl files with "
            'sentence1, sentence2 and score, or text and label, or .txt files of analogies ("a b c d" per line)',
            code="evaluation-file-missing",
        )
    return checks


def read_check(path: Path, folder: Path) -> Check | None:
    """The check in a file; None if it is none. Raises as ``find_checks``."""
    name = path.relative_to(folder).with_suffix("").as_posix()
    if path.suffix == ".tsv":
        return Check(name, "words", list(_word_pairs(path))) if _is_word_pair(path) else None
    if path.suffix == ".txt":
        return Check(name, "analogies", list(_analogies(path))) if _is_analogy(path) else None
    if path.suffix == ".jsonl":
        keys = _first_keys(path)
        if {"sentence1", "sentence2", "score"} <= keys:
            return Check(name, "sentences", list(_sentence_pairs(path)))
        if {"text", "label"} <= keys:
            return Check(name, "clusters", list(_labelled(path)))
    return None


def _word_pairs(path: Path) -> Iterator[ScoredPair]:
    for number, line in _lines(path):
        fields = line.split("\t")
        score = _number(fields[2]) if len(fields) == 3 else None
        if score is None:
            raise _bad(path, number, "expected word, tab, word, tab, score")
        yield ScoredPair(fields[0], fields[1], score)


def _sentence_pairs(path: Path) -> Iterator[ScoredPair]:
    for number, fields in _objects(path):
        left, right = fields.get("sentence1"), fields.get("sentence2")
        score = _number(fields.get("score"))
        if not isinstance(left, str) or not isinstance(right, str) or score is None:
            raise _bad(path, number, "expected the texts sentence1 and sentence2, and the number score")
        yield ScoredPair(left, right, score)


def _labelled(path: Path) -> Iterator[LabelledText]:
    for number, fields in _objects(path):
        text, label = fields.get("text"), fields.get("label")
        if not isinstance(text, str) or not isinstance(label, str | int):
            raise _bad(path, number, "expected a text and a label")
        yield LabelledText(text, str(label))


def _analogies(path: Path) -> Iterator[Analogy]:
    for number, line in _lines(path):
        if line.startswith(":"):
            continue
        words = line.split()
        if len(words) != 4:
            raise _bad(path, number, "expected four words, or a colon and the name of a section")
        yield Analogy(*words)


def _is_word_pair(path: Path) -> bool:
    first = next(_lines(path), (0, ""))[1].split("\t")
    return len(first) == 3 and _number(first[2]) is not None


def _is_analogy(path: Path) -> bool:
    first = next(_lines(path), (0, ""))[1]
    return first.startswith(":") or len(first.split()) == 4


def _first_keys(path: Path) -> set[str]:
    try:
        fields = json.loads(next(_lines(path), (0, ""))[1])
    except (ValueError, RecursionError):
        return set()
    return set(fields) if isinstance(fields, dict) else set()


def _objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in _lines(path):
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _bad(path, number, str(error)) from None
        if not isinstance(fields, dict):
            raise _bad(path, number, "expected a JSON object")
        yield number, fields


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open(encoding="utf-8", errors="replace") as file:
        number = 0
        while line := file.readline(MAX_LINE_CHARS + 1):
            number += 1
            if len(line) > MAX_LINE_CHARS:
                raise _bad(path, number, f"the line has more than {MAX_LINE_CHARS:,} characters")
            if line.strip():
                yield number, line.rstrip("\r\n")


def _number(value: object) -> float | None:
    if not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _bad(path: Path, number: int, reason: str) -> InvalidInput:
    return InvalidInput(f"{path}, line {number}: {reason}", code="bad-evaluation-file")
