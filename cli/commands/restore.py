"""``nearfield restore``: a backup put into an empty data folder."""

from __future__ import annotations

from pathlib import Path

import click

from cli.options import json_option, read_settings
from cli.output import clean, note, print_json, progress


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="An empty or new folder.")
@json_option
def command(file: Path, data_dir: Path | None, as_json: bool) -> None:
    """Put a backup into an empty data folder.

    Every byte is verified before anything counts, then the ledger is made. `nearfield up` on that folder has everything
    indexed again; until then searches say how far it is. Collections whose model is not in the backup are named.

    Exit code 1 if the file is refused (then nothing is restored), or if something in it could not be brought back.
    """
    from cli.backing import restore_backup
    from cli.commands.backup import facts, moment
    from cli.commands.rebuild import in_words

    settings = read_settings(data_dir=data_dir)
    with progress(wanted=not as_json) as bars:
        restored = restore_backup(settings, file, tell=note, progress=bars.update)
    report = restored.made.report
    if as_json:
        counts = {"pending": report.pending, "deleted": report.deleted, "failed_or_cancelled": report.ended}
        print_json(
            {
                "data_dir": str(settings.data_dir),
                **facts(restored.header),
                **counts,
                "complete": report.complete,
                "models_needed": [
                    {"collection": need.collection, "model": need.model, "advice": need.advice}
                    for need in restored.needed
                ],
            }
        )
    else:
        click.echo(f"Restored to {settings.data_dir}, as of {moment(restored.header)}.")
        click.echo(in_words(restored.made))
        for need in restored.needed:
            click.echo(
                f"The collection {clean(need.collection)} needs the model {clean(need.model)}, which is not here: "
                f"{clean(need.advice)}."
            )
        click.echo(f"Start it with: nearfield up --data-dir {settings.data_dir}")
    if not report.complete or restored.header.missing:
        raise click.exceptions.Exit(1)
