"""The folder of envelopes against what documents refer to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from services.audit.values import EnvelopeFigures
from services.ledger import keys
from services.ledger.envelopes import SHARDS, SUFFIX, TEMPORARY, EnvelopeStore
from services.ledger.ledger import Ledger
from services.recovery.envelopes import envelope_path, scan

Progress = Callable[[str, int, int], None]
COUNT = 1000


@dataclass(frozen=True, slots=True)
class EnvelopeLook:
    """What the folder and the references came to; ``drifted`` maps a name to (noted, counted) references."""

    figures: EnvelopeFigures
    missing: frozenset[str]
    damaged: frozenset[str]
    drifted: dict[str, tuple[int, int]]


def noted_references(ledger: Ledger) -> dict[str, int]:
    """How many documents refer to each envelope, as the ledger keeps count."""
    client = ledger.link.client
    return ledger.link.attempt(
        lambda: {name.decode(): int(count) for name, count in client.hscan_iter(keys.ENVELOPES, count=COUNT)}
    )


def look_at_envelopes(
    ledger: Ledger, envelopes: EnvelopeStore, counted: Counter[str], *, verify: bool, progress: Progress
) -> EnvelopeLook:
    """Compares names, and with ``verify`` reads every referenced envelope through.

    Args:
        counted: references as the documents' records have them.
    """
    noted = noted_references(ledger)
    files = {name for shard in range(SHARDS) for name in envelopes.names(shard)}
    wanted = set(counted) | set(noted)
    missing = wanted - files
    unreferenced = files - wanted
    damaged = _damaged(envelopes.folder, sorted(wanted & files), progress) if verify else set()
    drifted = {
        name: (noted.get(name, 0), counted.get(name, 0))
        for name in wanted
        if noted.get(name, 0) != counted.get(name, 0)
    }
    figures = EnvelopeFigures(
        files=len(files),
        referenced=len(wanted & files),
        missing=len(missing),
        damaged=len(damaged),
        unreferenced=len(unreferenced),
        oldest_unreferenced_s=_oldest(ledger, unreferenced),
        temporary=sum(1 for _ in envelopes.folder.glob(f"*/*{TEMPORARY}")),
        verified=verify,
    )
    return EnvelopeLook(figures, frozenset(missing), frozenset(damaged), drifted)


def is_damaged(folder: Path, name: str) -> bool:
    """Whether an envelope is there and not as it was written."""
    return envelope_path(folder, name).exists() and bool(scan(folder, name).trouble)


def is_missing(folder: Path, name: str) -> bool:
    """Whether there is no such file."""
    return not envelope_path(folder, name).with_suffix(SUFFIX).exists()


def _damaged(folder: Path, names: list[str], progress: Progress) -> set[str]:
    found = set()
    for position, name in enumerate(names):
        if is_damaged(folder, name):
            found.add(name)
        if position % 50 == 0 or position + 1 == len(names):
            progress("envelopes", position + 1, len(names))
    return found


def _oldest(ledger: Ledger, names: Iterable[str]) -> float:
    """Age of the oldest in seconds, by Redis TIME: names begin with the time of writing."""
    times = [int(name[:16]) for name in names]
    if not times:
        return 0.0
    seconds, _ = ledger.link.attempt(lambda: ledger.link.client.time())
    return max(0.0, int(seconds) - min(times) / 1_000_000)
