"""``nearfield failures``: which documents failed, why, and another try."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.options import json_option, only_collection, read_settings
from cli.output import clean, columns, note, print_json, wrapped

if TYPE_CHECKING:
    from cli.client import ApiClient


@click.command("failures")
@click.option("-c", "--collection", help="Which collection; without it, all are summed up when there are several.")
@click.option("--code", default="", help="Only documents that failed for this reason, such as no-text.")
@click.option("--match", default="", help="Only documents with this in their id, title, file name or link.")
@click.option("-n", "--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="How many to show.")
@click.option("--retry", is_flag=True, help="Try them again instead of listing them.")
@click.option("--export", "target", type=click.Path(dir_okay=False, path_type=Path), help="Write all to FILE (NDJSON).")
@click.option("--replace", is_flag=True, help="Let --export write over a file that is there.")
@json_option
def command(
    collection: str | None,
    code: str,
    match: str,
    limit: int,
    retry: bool,
    target: Path | None,
    replace: bool,
    as_json: bool,
) -> None:
    """Show the documents that failed, by reason. Try them again, or write them to a file.

    Exit code 0 also when nothing failed.
    """
    from cli.client import ApiClient

    if retry and target is not None:
        raise click.UsageError("--retry and --export exclude each other")
    if target is not None and target.exists() and not replace:
        raise click.UsageError(f"{target} is there already; give another name, or --replace to write over it")
    settings = read_settings()
    with ApiClient(settings.url) as client:
        if collection is None and not (code or match or retry or target):
            names = [str(found["name"]) for found in client.collections()]
            if len(names) > 1:
                _show_all({name: client.failures(name) for name in names}, as_json=as_json)
                return
        name = collection or only_collection(client)
        if code:
            _require_code(code, client.failures(name))
        if retry:
            _tell_retry(client.retry_failures(name, code=code, match=match), as_json=as_json)
        elif target is not None:
            _export(client, name, target, code, match, as_json=as_json)
        else:
            reasons = client.failures(name)
            found = client.documents(name, state="failed", code=code, match=match, limit=limit)
            _show(name, reasons, found, limit, as_json=as_json)


def documents(count: int) -> str:
    """A count of documents: "1 document", "1,240 documents"."""
    return f"{count:,} document" if count == 1 else f"{count:,} documents"


def are(count: int) -> str:
    """The verb for a count."""
    return "is" if count == 1 else "are"


def _require_code(code: str, reasons: Mapping[str, Any]) -> None:
    """A mistyped reason must not look like "nothing failed"; where nothing failed at all, any will do."""
    there = [str(entry["code"]) for entry in reasons["codes"]]
    if there and code.strip() not in there:
        raise click.UsageError(f"no document failed for the reason {code!r}; the reasons there are: {', '.join(there)}")


def _tell_retry(answer: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    elif answer["count"]:
        click.echo(f"{documents(answer['count'])} {are(answer['count'])} tried again (job {answer['job_id']}).")
    else:
        click.echo("There is nothing to try again.")


def _export(client: ApiClient, name: str, target: Path, code: str, match: str, *, as_json: bool) -> None:
    count = 0
    with target.open("w", encoding="utf-8") as file:
        for document in _pages(client, name, code, match):
            error = document["error"] or {"code": "", "message": ""}
            kept = {key: document[key] for key in ("id", "title", "source", "url", "attempts", "updated_at")}
            file.write(json.dumps({**kept, **error}, ensure_ascii=False) + "\n")
            count += 1
    if as_json:
        print_json({"file": str(target), "documents": count})
    else:
        click.echo(f"{count:,} failed {'document' if count == 1 else 'documents'} written to {target}")


def _pages(client: ApiClient, name: str, code: str, match: str) -> Iterator[dict[str, Any]]:
    cursor: str | None = ""
    while cursor is not None:
        page = client.documents_page(name, state="failed", code=code, match=match, limit=500, cursor=cursor)
        yield from page["items"]
        cursor = page["next_cursor"]


def _show_all(by_name: Mapping[str, Mapping[str, Any]], *, as_json: bool) -> None:
    """All collections: how many documents failed in each, and why."""
    if as_json:
        print_json({"collections": [{"collection": name, **reasons} for name, reasons in by_name.items()]})
        return
    rows = [
        (name, entry["code"], f"{entry['count']:,}") for name, reasons in by_name.items() for entry in reasons["codes"]
    ]
    if not rows:
        click.echo(f"No document has failed in any of the {len(by_name)} collections.")
        return
    click.echo(columns([("COLLECTION", "REASON", "DOCUMENTS"), *rows]))
    note("--collection shows the documents themselves")


def _show(name: str, reasons: Mapping[str, Any], found: list[dict[str, Any]], limit: int, *, as_json: bool) -> None:
    if as_json:
        print_json({**reasons, "documents": found})
        return
    if not reasons["failed"]:
        click.echo(f"No document of {name!r} has failed.")
        return
    rows = [("REASON", "DOCUMENTS"), *((entry["code"], f"{entry['count']:,}") for entry in reasons["codes"])]
    click.echo(columns(rows) + "\n")
    for document in found:
        error = document["error"] or {"code": "", "message": ""}
        click.echo(_named(document))
        click.echo(wrapped(f"{error['code']}: {error['message']}", indent="    ", lines=3))
    if len(found) == limit:
        note(f"the newest {limit} are shown; --limit shows more, --export writes all to a file")


def _named(document: Mapping[str, Any]) -> str:
    """A document's name in bold and, where that does not say it, what it comes from: a title may be "row 2" only."""
    name = clean(document["title"] or document["source"] or document["id"])
    origin = clean(document["source"] or document["url"] or document["id"])
    return click.style(name, bold=True) + (f"  ({origin})" if origin != name else "")
