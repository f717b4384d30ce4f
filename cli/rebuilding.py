"""Making a lost ledger again on a data folder, with whichever servers there are."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cli.offline import attached, locked, move_aside, started
from cli.up.damage import UNDER_WAY
from cli.up.embedded import INDEX, LEDGER
from cli.up.folder import DataFolder
from cli.up.run_record import already_running, read_run
from services.errors import Conflict, NearfieldError
from services.settings import Settings

if TYPE_CHECKING:
    from services.recovery.marks import Mark
    from services.recovery.rebuild import RebuildReport
    from services.wiring import Services

MARKS_FILE = "marks.ndjson"
KEYS_FILE = "ledger-keys.ndjson"
Told = Callable[[str], None]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class LedgerMade:
    """A ledger made again: the report, and where the one before lies now (None: there was none)."""

    report: RebuildReport
    aside: Path | None


def rebuild_ledger(settings: Settings, tell: Told, progress: Progress) -> LedgerMade:
    """Makes the ledger again from the envelopes.

    With embedded servers the present ledger is moved aside first; what had failed or was cancelled is taken over from
    it where it can still be read. Broken off, it goes on at the next call.

    Raises:
        Conflict: an instance runs, or a given ledger is not empty.
        NearfieldError: a server does not start.
    """
    folder = DataFolder(settings.data_dir.expanduser().absolute())
    if settings.ledger_url and settings.index_url:
        with attached(settings) as place:
            report = _make(place.services, folder, _noted_marks(folder), progress, ask_index=True)
        _forget_notes(folder)
        return LedgerMade(report, None)
    record = read_run(folder.run_file)
    if record is not None and record.alive:
        raise already_running(folder, record)
    if not (folder.root / "accepted").is_dir():
        raise NearfieldError(
            f"{folder.root} holds no accepted documents to make a ledger from; name the data folder with --data-dir",
            code="no-data",
        )
    with locked(folder):
        return _with_embedded(settings, folder, tell, progress)


def remove_index(settings: Settings) -> Path | None:
    """Moves the embedded index's data aside, so that the next start makes it again; where it lies now.

    Raises:
        Conflict: an instance runs, or the servers are not embedded ones.
    """
    folder = DataFolder(settings.data_dir.expanduser().absolute())
    if settings.ledger_url and settings.index_url:
        raise Conflict(
            "the index Redis is one of your own: empty it with `redis-cli FLUSHALL` (on the index server, never on the "
            "ledger), or give it an empty data folder. The keeper then makes the index again",
            code="index-not-embedded",
        )
    with locked(folder):
        return move_aside(folder, INDEX)


def _with_embedded(settings: Settings, folder: DataFolder, tell: Told, progress: Progress) -> LedgerMade:
    marks, aside = _noted_marks(folder), None
    under_way = folder.redis(LEDGER) / UNDER_WAY
    if not under_way.exists():
        marks |= _marks_of_old(settings, folder, tell)
        _note_marks(folder, marks)  # a second try must not lose them with the ledger they came from
        aside = move_aside(folder, LEDGER)
        under_way.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        under_way.touch()
    with _servers(settings, folder, tell) as (services, ask_index):
        report = _make(services, folder, marks, progress, ask_index=ask_index)
    _forget_notes(folder)
    under_way.unlink()
    return LedgerMade(report, aside)


@contextmanager
def _servers(settings: Settings, folder: DataFolder, tell: Told) -> Iterator[tuple[Services, bool]]:
    """The new ledger with the index beside it, or, when the index does not start, alone."""
    from cli.offline import build

    with contextlib.ExitStack() as stack:
        ledger, index = stack.enter_context(started(settings, folder, (LEDGER,)))
        try:
            _, index = stack.enter_context(started(settings, folder, (INDEX,)))
            ask_index = True
        except NearfieldError as error:
            tell(f"the index cannot be asked what it shows ({error.code}); everything will be indexed again")
            ask_index = False
        yield build(settings, folder, ledger.url, index.url), ask_index


def _make(
    services: Services,
    folder: DataFolder,
    marks: dict[tuple[str, str], Mark],
    progress: Progress,
    *,
    ask_index: bool,
) -> RebuildReport:
    from services.backup.ledger_keys import import_keys
    from services.recovery.rebuild import LedgerRebuild, require_empty_ledger

    require_empty_ledger(services.ledger_client)
    kept = folder.root / KEYS_FILE
    if kept.exists():
        import_keys(services.ledger_client, kept.read_bytes())

    rebuild = LedgerRebuild(
        services.ledger,
        services.envelopes,
        services.descriptions,
        index=services.index if ask_index else None,
        index_client=services.index_client if ask_index else None,
        progress=progress,
    )
    return rebuild.run(marks)


def _marks_of_old(settings: Settings, folder: DataFolder, tell: Told) -> dict[tuple[str, str], Mark]:
    """What had failed or was cancelled, from the ledger as it lies there; nothing when it cannot be read."""
    from cli.offline import build
    from services.recovery.marks import marks_of

    found: dict[tuple[str, str], Mark] = {}
    if not folder.redis(LEDGER).exists():
        return found
    try:
        with started(settings, folder, (LEDGER,)) as (ledger, index):
            services = build(settings, folder, ledger.url, index.url)
            for collection_id in services.ledger.collection_ids():
                for mark in marks_of(services.ledger, collection_id):
                    found[(mark.collection_id, mark.doc_hash)] = mark
    except NearfieldError as error:
        tell(f"the present ledger cannot be read ({error.code}); what had failed or was cancelled is tried again")
    return found


def _noted_marks(folder: DataFolder) -> dict[tuple[str, str], Mark]:
    """Marks that a restore, or a rebuild that was broken off, left in the data folder."""
    from services.recovery.marks import decode_marks

    try:
        return dict(decode_marks((folder.root / MARKS_FILE).read_bytes()))
    except FileNotFoundError:
        return {}


def _forget_notes(folder: DataFolder) -> None:
    for name in (MARKS_FILE, KEYS_FILE):
        (folder.root / name).unlink(missing_ok=True)


def _note_marks(folder: DataFolder, marks: dict[tuple[str, str], Mark]) -> None:
    from cli.up.folder import write_atomically
    from services.recovery.marks import encode_marks

    if marks:
        write_atomically(folder.root / MARKS_FILE, encode_marks(marks.values()).decode("utf-8"))
