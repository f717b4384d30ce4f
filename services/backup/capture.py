"""Takes hold of everything acknowledged at one moment, while the product runs.

One script reads which envelopes count and pins them; then each is given a second name (a hard link) in a folder of its
own on the same file system, which takes no room and no time. From then on nothing that happens to the instance, a kill
included, changes what is being copied. Where a file system knows no links the pin is kept for as long as it takes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from services.collections.models import CollectionRecord, from_record
from services.collections.values import Collection
from services.errors import Conflict
from services.ids import new_token
from services.ledger.ledger import Ledger
from services.recovery.envelopes import envelope_path
from services.recovery.marks import Mark, marks_of

PIN_MS = 120_000
RENEW_S = 20.0


@dataclass(frozen=True, slots=True)
class Captured:
    """What counted at ``moment_us``. ``folder`` is where its envelopes lie; ``missing`` are not there."""

    moment_us: int
    instance: str
    jobs: int
    envelopes: tuple[str, ...]
    collections: tuple[Collection, ...]
    marks: tuple[Mark, ...]
    folder: Path
    missing: tuple[str, ...]
    pin: Pin = field(compare=False)


class Pin:
    """Keeps envelopes from being cleared away; to be renewed while they are still read from where they lie."""

    def __init__(self, ledger: Ledger) -> None:
        self.token = new_token()
        self._ledger = ledger
        self._renewed = time.monotonic()

    def renew(self) -> None:
        """Prolongs the pin when it is time to.

        Raises:
            Conflict: it ran out, or another backup has begun (code "backup-overtaken").
        """
        if time.monotonic() - self._renewed < RENEW_S:
            return
        if not self._ledger.link.run("pin", self.token, PIN_MS):
            raise Conflict(
                "another backup has begun on this instance; run them one after the other", code="backup-overtaken"
            )
        self._renewed = time.monotonic()

    def end(self) -> None:
        """Takes it back."""
        self._ledger.link.run("pin", self.token, 0)


@contextmanager
def captured(ledger: Ledger, accepted: Path, staging: Path) -> Iterator[Captured]:
    """What counts now, held until the end of the block.

    Args:
        accepted: the folder of envelopes.
        staging: a folder for the second names, on the same file system; it is removed afterwards.

    Raises:
        Unavailable: the ledger does not answer. Conflict: another backup began meanwhile.
    """
    pin = Pin(ledger)
    moment, instance, jobs, names, records = ledger.link.run("capture", pin.token, PIN_MS)
    try:
        envelopes = tuple(sorted(name.decode() for name in names))
        folder, missing = _link_all(accepted, staging, envelopes, pin)
        collections = tuple(_collection(name, record) for name, record in records)
        marks = tuple(mark for collection in collections for mark in marks_of(ledger, collection.id))
        linked = folder == staging
        if linked:
            pin.end()
        yield Captured(
            moment_us=int(moment),
            instance=instance.decode(),
            jobs=int(jobs),
            envelopes=tuple(name for name in envelopes if name not in missing),
            collections=collections,
            marks=marks,
            folder=folder,
            missing=tuple(sorted(missing)),
            pin=pin,
        )
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        with contextlib.suppress(Exception):  # it runs out by itself
            pin.end()


def _link_all(accepted: Path, staging: Path, names: tuple[str, ...], pin: Pin) -> tuple[Path, set[str]]:
    """Gives each envelope a second name; the folder to read them from, and those that are not there."""
    shutil.rmtree(staging, ignore_errors=True)
    missing: set[str] = set()
    for name in names:
        pin.renew()
        target = envelope_path(staging, name)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            os.link(envelope_path(accepted, name), target)
        except FileNotFoundError:
            missing.add(name)
        except OSError:  # no links here: read them where they lie
            shutil.rmtree(staging, ignore_errors=True)
            return accepted, {one for one in names if not envelope_path(accepted, one).exists()}
    return staging, missing


def _collection(name: bytes, record: list[bytes]) -> Collection:
    fields = {key.decode(): value.decode("utf-8") for key, value in zip(record[::2], record[1::2], strict=True)}
    return from_record(CollectionRecord(**{**fields, "name": name.decode()}))
