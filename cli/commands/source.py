"""``nearfield source``: what a collection follows by itself."""

from __future__ import annotations

import re

import click

from cli.options import json_option, read_settings
from cli.output import clean, note, print_json

DEFAULT_COLLECTION = "documents"
WAIT_S = 600.0
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}

collection_option = click.option(
    "-c", "--collection", default=DEFAULT_COLLECTION, show_default=True, help="The collection it belongs to."
)


@click.group("source")
def command() -> None:
    """Follow pages, sitemaps and folders. What is new there is added, what changed is updated, what is gone is removed.

    The running instance does it. Every command takes --json. Folders must be allowed to it: `nearfield up --watch
    FOLDER`, or NEARFIELD_SOURCE_FOLDERS.
    """


@command.command("add")
@click.argument("location")
@collection_option
@click.option("--name", help="What to call it; made from the location if left out.")
@click.option("--sitemap", is_flag=True, help="The URL is a sitemap, whatever it is called: follow the pages in it.")
@click.option("--every", help="Pause between two looks, such as 90s, 30m, 6h or 2d; 0: once.")
@click.option("--include", multiple=True, metavar="GLOB", help="Take only these, such as '*.md' or 'docs/**'.")
@click.option("--exclude", multiple=True, metavar="GLOB", help="Leave these out.")
@click.option("--other-hosts", is_flag=True, help="Take pages of other hosts from a sitemap too.")
@click.option("--wait", is_flag=True, help="Return when it has been looked at once.")
@json_option
def add(
    location: str,
    collection: str,
    name: str | None,
    sitemap: bool,
    every: str | None,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    other_hosts: bool,
    wait: bool,
    as_json: bool,
) -> None:
    """Follow a URL or a folder. The same location again is looked at again."""
    from cli.client import ApiClient
    from cli.commands.add import PATIENCE_S, ensure_collection
    from cli.following import add_source, as_location, summary, wait_for_sync

    fields: dict[str, object] = {
        "location": as_location(location),
        "kind": "sitemap" if sitemap else None,
        "name": name,
        "every_s": seconds_of(every),
        "include": list(include) or None,
        "exclude": list(exclude) or None,
        "other_hosts": other_hosts or None,
    }
    with ApiClient(read_settings().url, patience_s=PATIENCE_S) as client:
        ensure_collection(client, collection)
        source, new = add_source(client, collection, fields)
        if wait:
            source = wait_for_sync(client, collection, source["name"], None if new else source["last_sync_at"], WAIT_S)
    if as_json:
        print_json({"source": source, "created": new})
    else:
        said = "is followed now" if new else "is followed already and is looked at again"
        click.echo(summary(source) if wait else f"{clean(source['location'])} {said} as {source['name']}")
    if wait and source["state"] == "failed":
        raise click.exceptions.Exit(1)


@command.command("list")
@collection_option
@json_option
def list_command(collection: str, as_json: bool) -> None:
    """Show what a collection follows and how far it is."""
    from cli.client import ApiClient
    from cli.following import list_sources, table

    with ApiClient(read_settings().url) as client:
        sources = list_sources(client, collection)
    if as_json:
        print_json(sources)
        return
    if not sources:
        click.echo(f"{collection} follows nothing. Add something with `nearfield source add URL-OR-FOLDER`.")
        return
    click.echo(table(sources))
    for source in sources:
        if source["error"]:
            note(f"{source['name']}: {clean(source['error']['message'])}")


@command.command("show")
@click.argument("name")
@collection_option
@json_option
def show(name: str, collection: str, as_json: bool) -> None:
    """Show one source, with what could not be taken and why."""
    from cli.client import ApiClient
    from cli.following import sources_path, summary, table

    with ApiClient(read_settings().url) as client:
        source = client.call("GET", sources_path(collection, name))
    if as_json:
        print_json(source)
        return
    click.echo(table([source]))
    click.echo(summary(source))
    failures = source.get("failures", ())
    for failure in failures:
        click.echo(f"failed: {clean(failure['item'])}: {clean(failure['error'])}")
    hidden = source["counts"]["failed"] - len(failures)
    if hidden > 0:
        click.echo(f"and {hidden:,} more that failed")


@command.command("sync")
@click.argument("name")
@collection_option
@click.option("--wait", is_flag=True, help="Return when it has been looked at.")
@json_option
def sync(name: str, collection: str, wait: bool, as_json: bool) -> None:
    """Have a source looked at now. With --wait, exit code 1 if the look failed; what could not be taken is listed."""
    from cli.client import ApiClient
    from cli.following import sources_path, summary, wait_for_sync

    with ApiClient(read_settings().url) as client:
        source = client.call("POST", sources_path(collection, name, "sync"))
        if wait:
            source = wait_for_sync(client, collection, name, source["last_sync_at"], WAIT_S)
    if as_json:
        print_json(source)
    else:
        click.echo(summary(source) if wait else f"{name} is looked at as soon as possible")
        for failure in source.get("failures", ())[:10]:
            note(f"{clean(failure['item'])}: {clean(failure['error'])}")
    if wait and source["state"] == "failed":
        raise click.exceptions.Exit(1)


@command.command("remove")
@click.argument("name")
@collection_option
@click.option("--delete-documents", is_flag=True, help="Delete what it brought too; otherwise the documents stay.")
@json_option
def remove(name: str, collection: str, delete_documents: bool, as_json: bool) -> None:
    """Stop following a source."""
    from cli.client import ApiClient
    from cli.following import sources_path

    with ApiClient(read_settings().url) as client:
        params = {"documents": "delete" if delete_documents else "keep"}
        source = client.call("DELETE", sources_path(collection, name), params=params)
    if as_json:
        print_json(source)
    else:
        kept = "its documents are being deleted" if delete_documents else "its documents stay"
        click.echo(f"{name} is followed no more; {kept}")


def seconds_of(text: str | None) -> int | None:
    """Seconds of "90s", "30m", "6h", "2d", "1w" or a plain number; None for None.

    Raises:
        click.UsageError: something else.
    """
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,9})([smhdw]?)", text.strip().lower())
    if found is None:
        raise click.UsageError(f"--every {text!r} is not a time such as 90s, 30m, 6h or 2d")
    return int(found[1]) * _UNITS[found[2] or "s"]
