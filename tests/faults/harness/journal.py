"""What the client was promised, in a file of its own, fsynced line by line. The checker trusts nothing else.

Two kinds of lines: an attempt before a request is sent, and the answer when one comes. A document's promise is the
accepted request with its highest generation. Requests without an answer leave their documents open: nothing is claimed
of them but that what is there is whole.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.harness import texts

Wish = tuple[str, int | None]
"""A document id and the version it shall have; None: deleted."""


@dataclass(frozen=True)
class Promise:
    """The last thing that was answered with 202 for a document."""

    generation: int
    version: int | None


@dataclass
class Promises:
    """The journal, read back."""

    kept: dict[str, Promise] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)
    tried: dict[str, set[int | None]] = field(default_factory=dict)
    statuses: dict[int, int] = field(default_factory=dict)

    def note(self, wishes: Iterable[Wish], answers: Iterable[tuple[str, int]]) -> None:
        """Takes in an accepted request: what was wished, and (id, generation) as answered."""
        wanted = dict(wishes)
        for document_id, generation in answers:
            known = self.kept.get(document_id)
            if known is None or generation >= known.generation:
                self.kept[document_id] = Promise(generation, wanted[document_id])

    @property
    def alive(self) -> dict[str, Promise]:
        return {key: promise for key, promise in self.kept.items() if promise.version is not None}


class Journal:
    """Writes attempts and answers; safe to share between threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._file = path.open("ab", buffering=0)
        self.accepted = 0
        self.alive: dict[str, int] = {}
        """Documents whose last attempted request adds them, with the version; for pollers to choose from."""
        self.gone: set[str] = set()
        """Documents whose last attempted request deletes them, and was accepted."""
        self.deletes: Counter[str] = Counter()
        """How often each document was asked to be deleted."""
        self.huge: set[str] = set()
        """Documents that were ever so long that they are written slice by slice."""

    def attempt(self, key: str, wishes: Sequence[Wish]) -> None:
        with self._lock:
            for document_id, version in wishes:
                self.gone.discard(document_id)
                if version is None:
                    self.alive.pop(document_id, None)
                    self.deletes[document_id] += 1
                elif version >= texts.HUGE:
                    self.huge.add(document_id)
            self._write({"what": "attempt", "key": key, "wishes": wishes})

    def answer(self, key: str, status: int, wishes: Sequence[Wish], documents: Sequence[dict[str, Any]] = ()) -> None:
        with self._lock:
            taken = [(entry["id"], entry["generation"]) for entry in documents]
            self._write({"what": "answer", "key": key, "status": status, "documents": taken})
            if status != 202:
                return
            self.accepted += len(taken)
            for document_id, version in wishes:
                if version is None:
                    self.gone.add(document_id)
                else:
                    self.alive[document_id] = version

    def living(self) -> list[str]:
        with self._lock:
            return list(self.alive)

    def close(self) -> None:
        self._file.close()

    def _write(self, entry: dict[str, Any]) -> None:
        self._file.write(json.dumps({"at": time.time(), **entry}).encode() + b"\n")
        os.fsync(self._file.fileno())


def read(path: Path) -> Promises:
    """What a journal promises."""
    promises, wishes, answered = Promises(), {}, set()
    for line in path.read_text("utf-8").splitlines():
        entry = json.loads(line)
        key = entry["key"]
        if entry["what"] == "attempt":
            wishes[key] = [(document_id, version) for document_id, version in entry["wishes"]]
            for document_id, version in wishes[key]:
                promises.tried.setdefault(document_id, set()).add(version)
            continue
        promises.statuses[entry["status"]] = promises.statuses.get(entry["status"], 0) + 1
        if entry["status"] == 202:
            answered.add(key)
            promises.note(wishes[key], [(document_id, generation) for document_id, generation in entry["documents"]])
    for key, wished in wishes.items():
        if key not in answered:
            promises.open.update(document_id for document_id, _ in wished)
    return promises
