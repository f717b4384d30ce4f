"""The questions the home page offers: each finds what it describes without naming it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Question:
    """A question to the demo, the filters it is asked with, and the modules of which at least one answers it."""

    text: str
    answers: tuple[str, ...]
    filters: Mapping[str, str] = field(default_factory=dict)


QUESTIONS = (
    Question("shrink a file before sending it", ("gzip", "zlib", "bz2"), {"kind": "module"}),
    Question("find out how similar two texts are", ("difflib",)),
    Question("a random token that nobody can guess", ("secrets",)),
    Question("look inside an archive without unpacking it", ("tarfile", "zipfile")),
    Question("a folder that disappears when I am done", ("tempfile",)),
)
