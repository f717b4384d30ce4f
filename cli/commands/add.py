"""``nearfield add``: files, folders and pages into a collection."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.options import json_option, read_settings
from cli.output import Progress, clean, note, print_json, progress
from services.errors import SettingsError

if TYPE_CHECKING:
    from cli.client import ApiClient
    from cli.files import FoundFile, Skipped
    from services.settings import Settings

DEFAULT_COLLECTION = "documents"
PATIENCE_S = 60.0
PAGE_WAIT_S = 120.0
POLL_S = 0.2
_SHOWN = 10
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*")
_ABOUT_THE_FILE = frozenset({400, 413, 415, 422})


@dataclass
class AddReport:
    """What became of the files."""

    collection: str
    created: bool
    accepted: int = 0
    unchanged: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)
    ready: int = 0
    failed: list[Mapping[str, Any]] = field(default_factory=list)
    failed_count: int = 0

    @property
    def refused(self) -> list[Skipped]:
        """Files that should have been added and were not."""
        return [entry for entry in self.skipped if entry.refused]

    def as_json(self, *, waited: bool) -> dict[str, object]:
        """The report as ``--json`` prints it."""
        report: dict[str, object] = {
            "collection": self.collection,
            "created": self.created,
            "accepted": self.accepted,
            "unchanged": self.unchanged,
            "skipped": [{"path": s.path, "reason": s.reason, "refused": s.refused} for s in self.skipped],
            "jobs": self.jobs,
        }
        if waited:
            report |= {"ready": self.ready, "failed": self.failed_count, "failures": self.failed}
        return report


class PathOrUrl(click.ParamType[Path | str]):
    """A file or folder that exists, or a URL of a page."""

    name = "path or URL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path | str:
        """A Path, or the URL as text."""
        from cli.following import is_url

        if isinstance(value, str) and is_url(value):
            return value
        path: Path = click.Path(exists=True, path_type=Path).convert(value, param, ctx)
        return path


def _media_type(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> str:
    """The media type in lower case, "" for none; anything else than type/subtype is a usage error."""
    given = (value or "").strip().lower()
    if value is not None and not _MEDIA_TYPE.fullmatch(given):
        raise click.BadParameter(f"{value[:80]!r} is not type/subtype, such as text/x-log")
    return given


@click.command("add")
@click.argument("paths", nargs=-1, required=True, type=PathOrUrl(), metavar="PATH-OR-URL...")
@click.option(
    "-c", "--collection", default=DEFAULT_COLLECTION, show_default=True, help="Where to; created if it is missing."
)
@click.option("--wait", is_flag=True, help="Return when everything is searchable (or failed).")
@click.option("--prefix", help="Name to put before relative paths, in place of the folder's own name.")
@click.option(
    "--media-type", callback=_media_type, help="What the files are, where only a plug-in of the server reads that."
)
@json_option
def command(
    paths: tuple[Path | str, ...], collection: str, wait: bool, prefix: str | None, media_type: str, as_json: bool
) -> None:
    """Add files, folders and pages of the web to a collection. Pages are fetched by the server, once.

    A document's id is made from its folder's name and relative path, so adding a folder again updates what changed and
    doubles nothing. What the server does not read, hidden and empty files and linked folders are
    passed over with a note. Exit code 1 if a file could not be read or was refused, if there was nothing to add, or
    (with --wait) if a document failed.
    """
    from cli.client import ApiClient

    settings = read_settings()
    _know_plugins(settings)
    with ApiClient(settings.url, patience_s=PATIENCE_S) as client, progress(wanted=not as_json) as bars:
        report = AddReport(collection, created=ensure_collection(client, collection))
        media = takes_media(client, collection)
        _send(client, report, _found(report, paths, prefix, media_type, media=media), bars)
        for url in paths:
            if isinstance(url, str):
                _add_page(client, report, url, wait=wait)
        if wait and report.jobs:
            _wait(client, report, bars)
    if as_json:
        print_json(report.as_json(waited=wait))
    else:
        _tell(report, waited=wait)
    if report.refused or report.failed_count or not (report.accepted or report.unchanged):
        raise click.exceptions.Exit(1)


def ensure_collection(client: ApiClient, name: str) -> bool:
    """Makes the collection if it is missing; True if it did."""
    from cli.api_errors import ApiProblem

    if client.collection(name) is not None:
        return False
    try:
        client.create_collection({"name": name})
    except ApiProblem as problem:
        if problem.status == 409 and client.collection(name) is not None:  # somebody else was faster
            return False
        raise
    return True


def takes_media(client: ApiClient, name: str) -> bool:
    """Whether pictures or sounds may go into a collection: its model says; of one that is not listed it is tried."""
    model = (client.collection(name) or {}).get("model")
    listed = {item["name"]: item.get("modalities", ()) for item in client.call("GET", "/models")["items"]}
    return any(kind != "text" for kind in listed.get(model, ("image",)))


def _know_plugins(settings: Settings) -> None:
    """Takes what the further readers of the settings read. Their names are enough: none is imported here."""
    from services.ingest.extract.plugins import parse_plugins
    from services.ingest.extract.registry import use_plugins

    try:
        use_plugins(parse_plugins(settings.extractors))
    except SettingsError as error:
        raise click.UsageError(error.message) from error


def _found(
    report: AddReport, paths: Sequence[Path | str], prefix: str | None, media_type: str, *, media: bool
) -> list[FoundFile]:
    """The files of all paths; what is passed over is noted in the report."""
    from cli.files import FoundFile, find_files

    files: list[FoundFile] = []
    for found in find_files([path for path in paths if isinstance(path, Path)], prefix, media_type, media=media):
        if isinstance(found, FoundFile):
            files.append(found)
        else:
            report.skipped.append(found)
    return files


def _send(client: ApiClient, report: AddReport, files: Sequence[FoundFile], bars: Progress) -> None:
    from cli.files import slices

    done = 0
    for part in slices(files):
        _send_part(client, report, part)
        done += len(part)
        bars.update("sending", done, len(files))


def _send_part(client: ApiClient, report: AddReport, part: list[FoundFile]) -> None:
    """Sends files as one request. When the server refuses it because of one of them, halves are sent, down to that."""
    from cli.api_errors import ApiProblem
    from cli.files import Skipped
    from services.ids import new_token

    if not part:
        return
    try:
        answer = client.add_files(report.collection, part, new_token())
    except OSError as error:  # it was there when the folder was looked through
        report.skipped.append(Skipped(str(error.filename), f"cannot be read: {error.strerror}", refused=True))
        _send_part(client, report, [file for file in part if str(file.path) != str(error.filename)])
        return
    except ApiProblem as problem:
        if problem.status not in _ABOUT_THE_FILE:
            raise
        if len(part) == 1:
            report.skipped.append(Skipped(str(part[0].path), _without(part[0].name, problem.message), refused=True))
            return
        middle = len(part) // 2
        _send_part(client, report, part[:middle])
        _send_part(client, report, part[middle:])
        return
    outcomes = [document["outcome"] for document in answer["documents"]]
    report.unchanged += outcomes.count("unchanged")
    report.accepted += len(outcomes) - outcomes.count("unchanged")
    report.jobs.append(str(answer["job_id"]))


def _without(name: str, message: str) -> str:
    """A refusal without the file's name before it, which stands there already."""
    return message.removeprefix(f"{name}: ")


def _add_page(client: ApiClient, report: AddReport, url: str, *, wait: bool) -> None:
    """Has the server fetch a page once, and waits until it has."""
    from cli.client import segment
    from cli.files import Skipped
    from cli.following import add_source, wait_for_sync

    source, new = add_source(client, report.collection, {"location": url, "kind": "url", "every_s": 0})
    before = None if new else source["last_sync_at"]
    source = wait_for_sync(client, report.collection, source["name"], before, PAGE_WAIT_S)
    if source["state"] != "idle":
        reason = (source["error"] or {}).get(
            "message"
        ) or "it was not fetched in time; `nearfield source list` tells more"
        report.skipped.append(Skipped(url, reason, refused=True))
        return
    counts = source["counts"]
    report.accepted += counts["added"] + counts["changed"]
    report.unchanged += counts["unchanged"]
    if wait:
        path = f"/collections/{segment(report.collection)}/documents/{segment(source['location'])}"
        document = wait_for_document(client, path)
        if document["state"] == "failed":
            report.failed_count += 1
            report.failed.append({"id": document["id"], "source": url, "error": document["error"]})
        else:
            report.ready += 1


def wait_for_document(client: ApiClient, path: str) -> Mapping[str, Any]:
    """Polls a document until its work is over."""
    while True:
        document: Mapping[str, Any] = client.call("GET", path)
        if document["state"] not in ("pending", "processing"):
            return document
        time.sleep(POLL_S)


def _wait(client: ApiClient, report: AddReport, bars: Progress) -> None:
    def told(jobs: Sequence[Mapping[str, Any]]) -> None:
        bars.update("searchable", sum(job["done"] for job in jobs), sum(job["counts"]["total"] for job in jobs))

    jobs = client.wait_for_jobs(report.jobs, told)
    report.ready += sum(job["counts"]["ready"] for job in jobs)
    failed_here = sum(job["counts"]["failed"] for job in jobs)
    report.failed_count += failed_here
    if failed_here:
        failed = client.failed_documents(report.collection, set(report.jobs), limit=100)
        report.failed += [{"id": item["id"], "source": item["source"], "error": item["error"]} for item in failed]


def _tell(report: AddReport, *, waited: bool) -> None:
    for entry in report.skipped[:_SHOWN]:
        note(f"skipped {clean(entry.path)}: {clean(entry.reason)}")
    if len(report.skipped) > _SHOWN:
        note(f"... and {len(report.skipped) - _SHOWN} more; --json lists all")
    for item in report.failed[:_SHOWN]:
        reason = (item["error"] or {}).get("message", "")
        note(f"failed {clean(item['source'] or item['id'])}: {clean(reason)}")
    made = " (created)" if report.created else ""
    line = f"{report.collection}{made}: {report.accepted} accepted, {report.unchanged} unchanged"
    if report.skipped:
        line += f", {len(report.skipped)} skipped"
    if waited:
        line += f"; {report.ready} ready, {report.failed_count} failed"
    elif report.accepted:
        line += "; they become searchable within moments (`nearfield status` shows how far)"
    click.echo(line)
