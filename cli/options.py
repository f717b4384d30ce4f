"""Options that several commands share, and the settings as a command reads them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from services.errors import SettingsError
from services.settings import Settings, load_settings

if TYPE_CHECKING:
    from cli.client import ApiClient

F = TypeVar("F", bound=Callable[..., Any])


def _remember_json(ctx: click.Context, _parameter: click.Parameter, value: bool) -> bool:
    ctx.meta["nearfield.json"] = value  # shared with the group, which prints errors
    return value


def json_option(command: F) -> F:
    """``--json``: machine-readable output; errors too, on stderr."""
    return click.option(
        "--json", "as_json", is_flag=True, callback=_remember_json, is_eager=True, help="Print JSON for scripts."
    )(command)


data_dir_option = click.option(
    "--data-dir", type=click.Path(path_type=Path, file_okay=False), help="The data folder of the instance."
)
"""``--data-dir`` for commands that work on the folder and not on a running instance."""


def read_settings(**overrides: object) -> Settings:
    """The settings; a bad one is a usage error (exit code 2) that names the variable."""
    try:
        return load_settings(None, **overrides)
    except SettingsError as error:
        raise click.UsageError(error.message) from error


def only_collection(client: ApiClient) -> str:
    """The name of the one collection there is, for commands that were told none; else a usage error."""
    names = [str(collection["name"]) for collection in client.collections()]
    if len(names) == 1:
        return names[0]
    if not names:
        raise click.UsageError(
            "there is no collection yet: add something with `nearfield add PATH`, or `nearfield demo`"
        )
    raise click.UsageError(f"there are several collections; choose one with --collection: {', '.join(names)}")


def product_version() -> str:
    """The installed version, "0+unknown" when run from a folder that is not installed."""
    try:
        return metadata.version("nearfield")
    except metadata.PackageNotFoundError:
        return "0+unknown"
