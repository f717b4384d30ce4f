"""``nearfield up``: the whole product on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import click

from cli.options import json_option, product_version, read_settings
from services.settings import split_bind


@click.command("up")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where everything is kept [NEARFIELD_DATA_DIR].",
)
@click.option("--host", help="Address to listen on; 127.0.0.1 is reachable from this machine only [NEARFIELD_BIND].")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 picks a free one [NEARFIELD_BIND].")
@click.option("--no-demo", is_flag=True, help="Do not load the demo collection at the first start [NEARFIELD_DEMO].")
@click.option(
    "--watch",
    multiple=True,
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Follow this folder: what is in it can be searched, and stays up to date [NEARFIELD_SOURCE_FOLDERS].",
)
@json_option
def command(
    data_dir: Path | None,
    host: str | None,
    port: int | None,
    no_demo: bool,
    watch: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Start the product on this machine and stay until Ctrl-C.

    Starts two Redis servers (unless NEARFIELD_LEDGER_URL and NEARFIELD_INDEX_URL name others), the web server, a
    worker, the keeper and the collector; starts again whatever dies; ends all of them on Ctrl-C or SIGTERM. With --json
    it prints one event per line: "listening" carries the URL, "ready" says that searches are answered.
    """
    from cli.up.instance import run
    from cli.up.screen import Screen

    given: dict[str, object] = {"data_dir": data_dir, "demo": False if no_demo else None}
    settings = read_settings(**given)
    if host is not None or port is not None:
        given["bind"] = _bind(settings.bind, host, port)
    watched = tuple(str(folder.absolute()) for folder in watch)
    if watched:
        given["source_folders"] = os.pathsep.join(filter(None, (settings.source_folders, *watched)))
    settings = read_settings(**given)
    run(settings, Screen(as_json=as_json), product_version(), watch=watched)


def _bind(given: str, host: str | None, port: int | None) -> str:
    """The address with the command line's host and port in place of the setting's."""
    old_host, old_port = split_bind(given)
    new_host = (old_host if host is None else host).removeprefix("[").removesuffix("]")
    shown = f"[{new_host}]" if ":" in new_host else new_host
    return f"{shown}:{old_port if port is None else port}"
