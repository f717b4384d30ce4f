"""``nearfield backup``: everything that was acknowledged, in one file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import data_dir_option, json_option, product_version, read_settings
from cli.output import print_json, progress

if TYPE_CHECKING:
    from services.backup.manifest import Header


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@data_dir_option
@click.option("--replace", is_flag=True, help="Replace FILE if it exists.")
@click.option("--without-models", is_flag=True, help="Leave out the models that were installed or trained here.")
@json_option
def command(file: Path, data_dir: Path | None, replace: bool, without_models: bool, as_json: bool) -> None:
    """Write everything that was accepted into one file, FILE (a compressed tar file), while running or not.

    It holds what was acknowledged at one moment, which is printed: accepted documents with their originals,
    collections, sources, which documents had failed, and the models that were installed or trained here. The index is
    not in it: a restore makes it again. Models of hub names and folders elsewhere are not in it either.

    Exit code 1 if something that should be in it is missing or damaged; it is named, and the rest is written.
    """
    from cli.backing import make_backup

    settings = read_settings(data_dir=data_dir)
    with progress(wanted=not as_json) as bars:
        header = make_backup(
            settings,
            file,
            product=f"nearfield {product_version()}",
            replace=replace,
            progress=bars.update,
            models=not without_models,
        )
    if as_json:
        print_json({"file": str(file), "bytes": file.stat().st_size, **facts(header)})
    else:
        click.echo(
            f"{file}: {header.envelopes:,} envelopes with {header.documents:,} documents in {header.collections:,} "
            f"collections, {_models(header)}, as of {moment(header)}, {file.stat().st_size:,} bytes."
        )
        for kind, names in (("missing", header.missing), ("damaged", header.damaged)):
            for name in names:
                click.echo(f"{kind}: envelope {name}; `nearfield audit` says whose it is", err=True)
        for name in header.models_damaged:
            click.echo(f"damaged: model {name}; `nearfield models verify {name}` says what is wrong with it", err=True)
        for name in header.models_left_out:
            click.echo(
                f"left out: model {name}; it holds no files, or others than plain ones (links, devices, names that "
                "cannot be shown), or they cannot be read: install it with `nearfield models pull`",
                err=True,
            )
    if header.missing or header.damaged or header.models_damaged or header.models_left_out:
        raise click.exceptions.Exit(1)


def _models(header: Header) -> str:
    return "without models" if header.without_models else f"{header.models:,} models"


def moment(header: Header) -> str:
    """The stated moment."""
    return datetime.fromtimestamp(header.moment_us / 1_000_000, UTC).isoformat(timespec="milliseconds")


def facts(header: Header) -> dict[str, object]:
    """What a backup says of itself, for scripts."""
    return {
        "moment": moment(header),
        "moment_us": header.moment_us,
        "instance": header.instance,
        "collections": header.collections,
        "envelopes": header.envelopes,
        "documents": header.documents,
        "missing": list(header.missing),
        "damaged": list(header.damaged),
        "models": header.models,
        "without_models": header.without_models,
        "models_damaged": list(header.models_damaged),
        "models_left_out": list(header.models_left_out),
    }
