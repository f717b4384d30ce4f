"""``nearfield demo``: real text that is on every machine."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from cli.options import json_option, read_settings
from cli.output import print_json, progress

PATIENCE_S = 60.0


@click.command("demo")
@click.option("-c", "--collection", default="python", show_default=True, help="Where to; created if it is missing.")
@click.option("--wait", is_flag=True, help="Return when everything is searchable.")
@click.option("--marker", type=click.Path(path_type=Path, dir_okay=False), hidden=True, help="Used by `nearfield up`.")
@json_option
def command(collection: str, wait: bool, marker: Path | None, as_json: bool) -> None:
    """Load the demo: the docstrings of Python's standard library, several thousand documents.

    `nearfield up` does this by itself at its first start. Loading it again doubles nothing.
    """
    from cli.client import ApiClient
    from services.demo.load import go_on_with_demo, load_demo

    settings = read_settings()
    began = time.monotonic()
    with ApiClient(settings.url, patience_s=PATIENCE_S) as client, progress(wanted=not as_json) as bars:

        def told(sent: int) -> None:
            bars.update("sending", sent, 0)

        report = go_on_with_demo(client, marker, told) if marker else load_demo(client, collection, told)
        if wait:

            def working(jobs: Sequence[Mapping[str, Any]]) -> None:
                bars.update("searchable", sum(job["done"] for job in jobs), sum(job["counts"]["total"] for job in jobs))

            client.wait_for_jobs(report.jobs, working)
    if as_json:
        print_json(
            {
                "state": report.state.value,
                "collection": collection,
                "sent": report.accepted,
                "unchanged": report.unchanged,
                "jobs": list(report.jobs),
                "seconds": round(time.monotonic() - began, 2),
            }
        )
    else:
        click.echo(
            f"demo {report.state.value}: {report.accepted} documents sent to {collection!r}, "
            f"{report.unchanged} of them unchanged, in {time.monotonic() - began:.1f} s"
        )
