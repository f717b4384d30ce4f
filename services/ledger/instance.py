"""Whose data is it? Folder, ledger and index carry one instance id and epoch; where they disagree nothing is repaired.

Two instances on one index, an emptied ledger, a ledger restored from an old copy: each would look like loss or litter,
and a keeper that "repairs" it would destroy documents. So it repairs and clears only while all three agree.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from services.ledger import keys
from services.ledger.envelopes import EnvelopeStore
from services.ledger.redis_link import RedisLink, redis_errors
from services.redis_clients import Client

ID_FILE = "INSTANCE"
MARK_FILE = "HIGHWATER"
FIRST_EPOCH = 1


class Standing(StrEnum):
    """How the three places stand to each other."""

    AGREE = "agree"
    INDEX_EMPTY = "index-empty"
    DISAGREE = "disagree"


@dataclass(frozen=True, slots=True)
class Look:
    """What was found; ``reason`` says in words what disagrees."""

    standing: Standing
    instance: str
    reason: str = ""


class Instances:
    """Reads and first makes the instance id ("<id>:<epoch>") in the envelope folder, the ledger and the index."""

    def __init__(self, link: RedisLink, index_client: Client, envelopes: EnvelopeStore) -> None:
        self._link = link
        self._index_client = index_client
        self._envelopes = envelopes

    def look(self) -> Look:
        """Compares the three places; a new installation gets its id here.

        Beside the id the folder holds the highest job number that the ledger had when somebody looked. A ledger that is
        behind it has lost its latest requests and must be made again from the envelopes before anything is cleared.

        Raises:
            Unavailable: one of the servers does not answer.
        """
        folder, mark = self._read(ID_FILE), int(self._read(MARK_FILE) or 0)  # before the ledger, which only grows
        with redis_errors("index"):
            index = _text(self._index_client.get(keys.INDEX_INSTANCE))
        ledger, number, places = self._link.read(
            lambda pipe: (pipe.get(keys.INSTANCE), pipe.get(keys.JOB_NUMBER), pipe.hlen(keys.ENVELOPES))
        )
        known = _text(ledger)
        if not known:
            if folder or index:
                owner = "the data folder" if folder else "the index"
                return Look(
                    Standing.DISAGREE,
                    folder or index,
                    f"the ledger Redis knows nothing of instance {folder or index}, which {owner} belongs to: it was "
                    "emptied, or NEARFIELD_LEDGER_URL names another server",
                )
            known = self._found()
        if not folder:
            if places and self._envelopes.is_empty():
                return Look(
                    Standing.DISAGREE, known, "the ledger points to accepted documents, but their folder is empty"
                )
            folder = self._write_once(ID_FILE, known)
        if folder != known:
            return Look(Standing.DISAGREE, known, f"the ledger is of instance {known}, the data folder of {folder}")
        if int(number or 0) < mark:
            return Look(
                Standing.DISAGREE,
                known,
                f"the ledger has seen {int(number or 0)} jobs, but there were {mark}: it is older than the data folder",
            )
        self._raise_mark(int(number or 0), mark)
        if not index:
            return Look(Standing.INDEX_EMPTY, known)
        if index != known:
            return Look(Standing.DISAGREE, known, f"the ledger is of instance {known}, the index Redis of {index}")
        return Look(Standing.AGREE, known)

    def mark_index(self, instance: str) -> None:
        """Writes the id into an index that has none."""
        with redis_errors("index"):
            self._index_client.set(keys.INDEX_INSTANCE, instance, nx=True)

    def _found(self) -> str:
        fresh = f"{secrets.token_hex(8)}:{FIRST_EPOCH}"
        client = self._link.client
        self._link.attempt(lambda: client.set(keys.INSTANCE, fresh, nx=True))
        return _text(self._link.attempt(lambda: client.get(keys.INSTANCE)))

    def _read(self, name: str) -> str:
        try:
            return (self._envelopes.folder / name).read_text("ascii").strip()
        except FileNotFoundError:
            return ""

    def _write_once(self, name: str, value: str) -> str:
        """Makes a file unless it is there; returns what it holds then."""
        temporary = self._temporary(name, value)
        with contextlib.suppress(FileExistsError):
            os.link(temporary, self._envelopes.folder / name)
        temporary.unlink()
        return self._read(name)

    def _raise_mark(self, number: int, mark: int) -> None:
        if number > mark:
            self._temporary(MARK_FILE, str(number)).replace(self._envelopes.folder / MARK_FILE)

    def _temporary(self, name: str, value: str) -> Path:
        path = self._envelopes.folder / f"{name}.{secrets.token_hex(6)}"
        with path.open("x", encoding="ascii") as file:
            file.write(value + "\n")
            file.flush()
            os.fsync(file.fileno())
        return path


def _text(value: bytes | None) -> str:
    return (value or b"").decode("ascii")
