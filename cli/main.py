"""The ``nearfield`` command. Its parts are imported when they are called, so that ``--help`` is there at once."""

from __future__ import annotations

import importlib
import json
from typing import Any

import click

from services.errors import NearfieldError

# name: (module, attribute, one line of help). The help stands here too, so that listing the commands imports none.
COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("cli.commands.up", "Start the product on this machine and stay until Ctrl-C."),
    "demo": ("cli.commands.demo", "Load the demo: the docstrings of Python's standard library."),
    "add": ("cli.commands.add", "Add files, folders and pages of the web to a collection."),
    "source": ("cli.commands.source", "Follow pages, sitemaps and folders."),
    "search": ("cli.commands.search", "Search a collection by meaning."),
    "status": ("cli.commands.status", "Show the running instance, its collections and jobs."),
    "jobs": ("cli.commands.jobs", "List jobs, newest first; or look at one."),
    "failures": ("cli.commands.failures", "Show the documents that failed, by reason."),
    "embed": ("cli.commands.embed", "Turn texts into vectors."),
    "eval": ("cli.commands.evaluate", "Measure search quality on a folder in BEIR layout."),
    "models": ("cli.commands.models", "Install, check, measure, train and choose models."),
    "audit": ("cli.commands.audit", "Compare what was accepted with what can be found."),
    "rebuild": ("cli.commands.rebuild", "Make an index or the ledger again from what was accepted."),
    "backup": ("cli.commands.backup", "Write everything that was accepted into one file, while running."),
    "restore": ("cli.commands.restore", "Put a backup into an empty data folder."),
    "doctor": ("cli.commands.doctor", "Check every part of this installation and say what to do."),
}

EXIT_CODES = """Exit codes: 0 it is done; 1 it failed, or finished with failures; 2 the command was called wrongly
(an unknown option, a bad value, an unknown setting)."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used, and whose errors are told in the product's own words."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names, in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(COMMANDS[cmd_name][0]).command
        if not isinstance(command, click.Command):
            raise TypeError(f"{COMMANDS[cmd_name][0]}.command is not a click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Lists the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; an error of the product becomes a message and exit code 1."""
        try:
            return super().invoke(ctx)
        except NearfieldError as error:
            if error.code == "unreachable":
                error.message += _where_it_runs()
            tell(error, as_json=bool(ctx.meta.get("nearfield.json")))
            ctx.exit(1)


def _where_it_runs() -> str:
    """A hint when an instance of this user's data folder listens elsewhere (``up --port 0``)."""
    from cli.options import read_settings
    from cli.up.run_record import read_run

    record = read_run(read_settings().data_dir.expanduser() / "run.json")
    if record is None or not record.alive or not record.url:
        return ""
    return f". One runs at another address: NEARFIELD_URL={record.url}"


def tell(error: NearfieldError, *, as_json: bool) -> None:
    """Prints an error to stderr: as words, or as ``{"error": {"code", "message", ...}}``."""
    if as_json:
        fields = {"code": error.code, "message": error.message, "pointer": error.pointer, "retryable": error.retryable}
        click.echo(
            json.dumps({"error": {name: value for name, value in fields.items() if value is not None}}), err=True
        )
    else:
        click.echo(f"{click.style('Error', fg='red')} ({error.code}): {error.message}", err=True)


def _show_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from cli.options import product_version

        click.echo(f"nearfield {product_version()}")
        ctx.exit()


@click.group(
    cls=LazyGroup, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_show_version, help="Show the version."
)
def main() -> None:
    """Nearfield: give it text, find things by meaning.

    `nearfield up` starts everything on this machine. The other commands talk to the running instance at NEARFIELD_URL
    (http://127.0.0.1:8080 unless set).
    """


if __name__ == "__main__":
    main()
