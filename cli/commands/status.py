"""``nearfield status``: is it running, what is in it, what is it doing?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from cli.options import json_option, read_settings
from cli.output import clean, columns, print_json


@click.command("status")
@json_option
def command(as_json: bool) -> None:
    """Show the running instance, its collections and its unfinished jobs.

    Exit code 1 if it does not run or is not ready to search.
    """
    from cli.client import ApiClient

    settings = read_settings()
    with ApiClient(settings.url) as client:
        ready = client.readiness()
        version = client.version()
        collections = client.collections() if _ok(ready, "ledger") else []
        jobs = [job for job in client.jobs(50) if job["finished_at"] is None] if _ok(ready, "ledger") else []
    if as_json:
        print_json({"url": settings.url, "version": version, "ready": ready, "collections": collections, "jobs": jobs})
    else:
        click.echo(f"Nearfield {version['version']} at {settings.url}: {ready['status']}")
        for name, check in ready["checks"].items():
            if not check["ok"]:
                click.echo(f"  {name}: {clean(check['detail'])}")
        _show_ingestion(ready.get("ingestion"))
        _show_audit(ready.get("audit"))
        _show_collections(collections)
        _show_jobs(jobs)
    if ready["status"] != "ready":
        raise click.exceptions.Exit(1)


def _ok(ready: Mapping[str, Any], check: str) -> bool:
    return bool(ready["checks"].get(check, {}).get("ok", False))


def _show_ingestion(ingestion: Mapping[str, Any] | None) -> None:
    """A line per shortage; nothing while all is well."""
    if not ingestion or ingestion["accepting"]:
        return
    state = "ingestion is paused" if ingestion["state"] == "paused" else "ingestion goes on"
    click.echo(f"  new documents are refused, {state}, searches go on:")
    for reason in ingestion["reasons"]:
        click.echo(f"    {clean(reason['detail'])}")


def _show_audit(audit: Mapping[str, Any] | None) -> None:
    """When the keeper last went over everything, and what it found."""
    if not audit:
        return
    when = audit["ended_at"].partition(".")[0].replace("T", " ")
    if not audit["found"]:
        click.echo(f"  last audit {when} UTC: nothing found")
        return
    click.echo(f"  last audit {when} UTC: {audit['found']:,} found; `nearfield audit` looks closely, --repair heals:")
    for finding in audit["findings"]:
        click.echo(f"    {clean(finding)}")


def _show_collections(collections: list[dict[str, Any]]) -> None:
    if not collections:
        click.echo("\nNo collections. Add something with `nearfield add PATH`.")
        return
    from cli.client import unfinished

    rows = [("COLLECTION", "SEARCHABLE", "UNFINISHED", "FAILED", "MODEL")]
    rows += [
        (
            collection["name"],
            f"{collection['searchable']:,}",
            f"{unfinished(collection):,}",
            f"{collection['documents'].get('failed', 0):,}",
            clean(collection["model"]),
        )
        for collection in collections
    ]
    click.echo("\n" + columns(rows))


def _show_jobs(jobs: list[dict[str, Any]]) -> None:
    if not jobs:
        return
    rows = [("JOB", "COLLECTION", "DONE", "RATE", "LEFT", "WHAT")]
    for job in jobs:
        left = "" if job["eta_s"] is None else _duration(job["eta_s"])
        done = f"{job['done']:,} of {job['counts']['total']:,}"
        name = job["collection"] or job["collection_id"]
        rows.append((job["id"], name, done, f"{job['rate']:.0f}/s", left, clean(job["label"])))
    click.echo("\n" + columns(rows))


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
