"""``nearfield rebuild``: the index, or the ledger, made again from what was accepted."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import json_option, read_settings
from cli.output import note, print_json, progress
from services.errors import NearfieldError

if TYPE_CHECKING:
    from cli.offline import Attached
    from cli.output import Progress
    from cli.rebuilding import LedgerMade
    from services.settings import Settings

POLL_S = 0.5
NO_KEEPER_S = 30.0


@click.command("rebuild")
@click.argument("collection", required=False)
@click.option("--all", "everything", is_flag=True, help="The indexes of all collections, one after the other.")
@click.option("--ledger", is_flag=True, help="The ledger, from the accepted envelopes. Nothing may run meanwhile.")
@click.option("--index", is_flag=True, help="Put the embedded index aside; the next start makes it again.")
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="The data folder.")
@click.option("--no-wait", is_flag=True, help="Ask for it and return at once.")
@json_option
def command(
    collection: str | None,
    everything: bool,
    ledger: bool,
    index: bool,
    data_dir: Path | None,
    no_wait: bool,
    as_json: bool,
) -> None:
    """Make an index or the ledger again from what was accepted.

    The index of COLLECTION is made by the running keeper, in small steps, and it goes on after any crash. Until the
    first documents are back, searches in this collection answer 503 "index rebuilding"; other collections are not
    concerned, and documents may arrive meanwhile.

    --ledger and --index are for damaged data; with embedded servers they run while nothing else does, and what was
    there is moved aside, never deleted.

    Exit code 1 if something could not be brought back; it is named.
    """
    if sum((bool(collection), everything, ledger, index)) != 1:
        raise click.UsageError("name one collection, or give one of --all, --ledger and --index")
    settings = read_settings(data_dir=data_dir)
    if ledger:
        _rebuild_ledger(settings, as_json=as_json)
    elif index:
        _put_index_aside(settings, as_json=as_json)
    else:
        _rebuild_collections(settings, collection, wait=not no_wait, as_json=as_json)


def _rebuild_ledger(settings: Settings, *, as_json: bool) -> None:
    from cli.rebuilding import rebuild_ledger

    with progress(wanted=not as_json) as bars:
        made = rebuild_ledger(settings, note, bars.update)
    if as_json:
        print_json(_as_json(made))
    else:
        click.echo(in_words(made))
    if not made.report.complete:
        raise click.exceptions.Exit(1)


def _as_json(made: LedgerMade) -> dict[str, object]:
    report = made.report
    return {
        "moved_aside": None if made.aside is None else str(made.aside),
        "envelopes": report.envelopes,
        "collections": report.collections,
        "ready": report.ready,
        "pending": report.pending,
        "deleted": report.deleted,
        "failed_or_cancelled": report.ended,
        "newer_in_index": report.ahead,
        "damaged": dict(report.damaged),
        "without_collection": dict(report.nameless),
        "damaged_descriptions": list(report.damaged_descriptions),
        "renamed": dict(report.renamed),
        "complete": report.complete,
    }


def in_words(made: LedgerMade) -> str:
    """The outcome for people, one fact a line."""
    report = made.report
    lines = [
        f"The ledger was made again from {report.envelopes:,} envelopes: {report.collections:,} collections, "
        f"{report.ready:,} documents as the index shows them, {report.pending:,} to be indexed, "
        f"{report.deleted:,} deleted, {report.ended:,} failed or cancelled."
    ]
    if made.aside is not None:
        lines.append(f"The ledger before it lies in {made.aside}; remove it when all is well.")
    if report.ahead:
        lines.append(
            f"{report.ahead:,} documents were accepted in a newer version whose envelope is missing: they are failed."
        )
    lines += [f"damaged: {name}: {trouble}" for name, trouble in sorted(report.damaged.items())]
    lines += [
        f"passed over: {count:,} envelopes of collection {collection_id}, whose description is missing"
        for collection_id, count in sorted(report.nameless.items())
    ]
    lines += [f"damaged: description {name}" for name in report.damaged_descriptions]
    lines += [f"collection {cid} is called {name} now: its name was taken" for cid, name in report.renamed.items()]
    return "\n".join(lines)


def _put_index_aside(settings: Settings, *, as_json: bool) -> None:
    from cli.rebuilding import remove_index

    aside = remove_index(settings)
    if as_json:
        print_json({"moved_aside": None if aside is None else str(aside)})
    elif aside is None:
        click.echo("There was no index. `nearfield up` makes one.")
    else:
        click.echo(f"The index lies in {aside} now; remove it when all is well. `nearfield up` makes a new one.")


def _rebuild_collections(settings: Settings, name: str | None, *, wait: bool, as_json: bool) -> None:
    from cli.offline import How, attached
    from services.ledger.erasing import ask_to_rebuild

    with attached(settings) as place:
        if place.how is How.OFFLINE:
            raise NearfieldError(
                f"no instance runs on {place.folder.root}, and its keeper does the rebuilding: start `nearfield up "
                f"--data-dir {place.folder.root}` first, or put the whole index aside with `nearfield rebuild --index "
                f"--data-dir {place.folder.root}`",
                code="not-running",
            )
        store = place.services.collections
        chosen = [store.get(name)] if name else store.list()
        done: list[dict[str, object]] = []
        with progress(wanted=not as_json) as bars:
            for collection in chosen:
                ask_to_rebuild(place.services.ledger, collection.id)
                if wait:
                    _wait(place, collection.id, collection.name, bars)
                counts = place.services.ledger.counts(collection.id)
                done.append({"collection": collection.name, "searchable": counts.searchable, "done": wait})
    if as_json:
        print_json({"rebuilt": done})
    else:
        for entry in done:
            words = f"is made again: {entry['searchable']:,} documents" if wait else "is being made again"
            click.echo(f"The index of {entry['collection']} {words}.")


def _wait(place: Attached, collection_id: str, name: str, bars: Progress) -> None:
    """Shows how far it is until it is done. Ctrl-C ends the waiting, not the rebuilding."""
    from services.ledger.erasing import is_erasing

    ledger, idle_since = place.services.ledger, time.monotonic()
    while True:
        erasing, standing = is_erasing(ledger, collection_id), ledger.rebuilding(collection_id)
        if not erasing and standing is None:
            return
        if not erasing:
            idle_since = time.monotonic()
        elif time.monotonic() - idle_since > NO_KEEPER_S:
            idle_since = float("inf")
            note("the keeper has not begun yet; is it running? It goes on as soon as it is (Ctrl-C stops waiting)")
        if standing is not None:
            bars.update(f"index of {name}", *standing)
        time.sleep(POLL_S)
