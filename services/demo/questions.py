"""The questions the home page offers: each finds what it describes without naming it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """A question to the demo, and the modules of which at least one is among the first ten answers."""

    text: str
    answers: tuple[str, ...]


QUESTIONS = (
    Question("shrink a file before sending it", ("gzip", "zlib", "bz2", "lzma")),
    Question("find out how similar two texts are", ("difflib",)),
    Question("a random token that nobody can guess", ("secrets",)),
    Question("look inside an archive without unpacking it", ("tarfile", "zipfile")),
    Question("a folder that disappears when I am done", ("tempfile",)),
)
