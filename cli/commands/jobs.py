"""``nearfield jobs``: what was asked for, how far it is, stopping it, taking it up again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from cli.commands.failures import are, documents
from cli.options import json_option, read_settings
from cli.output import clean, columns, print_json

ACTIONS = ("cancel", "resume", "retry")


@click.command("jobs")
@click.argument("job_id", required=False)
@click.option("--cancel", "action", flag_value="cancel", help="Stop what it has not done yet.")
@click.option("--resume", "action", flag_value="resume", help="Take up again what was cancelled.")
@click.option("--retry", "action", flag_value="retry", help="Try its failed documents again, as a new job.")
@click.option("-n", "--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="How many to list.")
@json_option
def command(job_id: str | None, action: str | None, limit: int, as_json: bool) -> None:
    """List jobs, newest first; or look at one, cancel it, resume it, retry what failed in it."""
    from cli.client import ApiClient

    if action and not job_id:
        raise click.UsageError(f"--{action} needs the id of a job; `nearfield jobs` lists them")
    settings = read_settings()
    with ApiClient(settings.url) as client:
        if job_id is None:
            jobs = client.jobs(limit)
            print_json(jobs) if as_json else _list(jobs)
        elif action is None:
            job = client.job(job_id)
            print_json(job) if as_json else _tell(job)
        else:
            answer = client.act_on_job(job_id, action)
            print_json(answer) if as_json else click.echo(_said(action, answer))


def _said(action: str, answer: Mapping[str, Any]) -> str:
    if action == "cancel":
        count = answer["cancelled"]
        return f"{documents(count)} of the job {are(count)} cancelled." if count else "Nothing was left to cancel."
    if action == "resume":
        count = answer["waiting"]
        waits = "waits" if count == 1 else "wait"
        return f"{documents(count)} of the job {waits} to be worked on." if count else "There is nothing to resume."
    count = answer["count"]
    tried = f"{documents(count)} {are(count)} tried again (job {answer['job_id']})."
    return tried if count else "There is nothing to try again."


def _list(jobs: list[dict[str, Any]]) -> None:
    if not jobs:
        click.echo("No jobs yet.")
        return
    rows = [("JOB", "STATE", "DONE", "FAILED", "COLLECTION", "WHAT")]
    rows += [
        (
            job["id"],
            job["state"],
            f"{job['done']:,} of {job['counts']['total']:,}",
            f"{job['counts']['failed']:,}",
            job["collection"] or job["collection_id"],
            clean(job["label"]),
        )
        for job in jobs
    ]
    click.echo(columns(rows))


def _tell(job: Mapping[str, Any]) -> None:
    click.echo(f"{clean(job['label']) or 'Documents'}: {job['state']}, in {job['collection'] or job['collection_id']}")
    rows = [(name, f"{count:,}") for name, count in job["counts"].items() if count]
    click.echo(columns(rows))
