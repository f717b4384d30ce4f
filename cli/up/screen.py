"""What ``nearfield up`` says: a few calm lines on a terminal, one JSON object per line for a program."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from cli.up.child import Child
from cli.up.supervisor import exit_words

_NAME_WIDTH = 9


class Screen:
    """Prints the start, the trouble and the end. A closed terminal never ends the supervisor.

    Args:
        as_json: events as JSON lines instead of text.
    """

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._began = time.monotonic()
        self._complaints: dict[str, int] = {}

    def hello(self, version: str, data: Path, logs: Path) -> None:
        """The first lines: what starts and where its things are."""
        self._event("starting", version=version, data_dir=str(data), logs=str(logs))
        self._line("")
        self._line(f"  {click.style('Nearfield', bold=True)} {version}")
        self._fact("data", str(data))
        self._fact("logs", str(logs))

    def waiting_for_previous(self) -> None:
        """The last run was killed and its children are just ending."""
        self._event("waiting", reason="children of the previous run are ending")
        self._line("  waiting for the children of the previous run to end")

    def up(self, names: Sequence[str], detail: str) -> None:
        """Parts that now work."""
        seconds = time.monotonic() - self._began
        self._event("up", parts=list(names), detail=detail, seconds=round(seconds, 2))
        self._fact(names[0], f"{detail} {click.style(f'after {seconds:.1f} s', dim=True)}")

    def listening(self, url: str, *, demo: bool) -> None:
        """The address to open."""
        self._event("listening", url=url, seconds=round(time.monotonic() - self._began, 2))
        self._line("")
        self._line(f"  Open  {click.style(url, bold=True, underline=True)}")
        if demo:
            self._line("  The demo loads in the background: the docstrings of Python's standard library.")
        self._line("  Ctrl-C stops everything; your data stays.")
        self._line("")

    def ready(self, url: str) -> None:
        """Searches are answered from now on."""
        seconds = time.monotonic() - self._began
        self._event("ready", url=url, seconds=round(seconds, 2))
        self._line(f"  Ready to search after {seconds:.1f} s.")

    def public(self, host: str) -> None:
        """The loud warning: everyone who reaches this address may read, change and delete everything."""
        self._event("public-address", host=host)
        self._line(
            click.style(
                f"  WARNING: {host} can be reached from other machines, and there are no accounts yet:", fg="red"
            )
        )
        self._line(click.style("  whoever reaches it can read, change and delete everything here.", fg="red"))

    def died(self, child: Child, status: int, pause_s: float) -> None:
        """A child ended by itself; its words are in its log. Said once in five times when it goes on."""
        count = self._complaints.get(child.spec.name, 0) + 1
        self._complaints[child.spec.name] = count
        self._event("died", part=child.spec.name, status=status, restart_in_s=pause_s, log=str(child.log))
        if count <= 3 or count % 5 == 0:
            self._line(
                f"  {child.spec.name} ended ({exit_words(status)}); starting it again in {pause_s:.1f} s. "
                f"Its log: {child.log}"
            )

    def gave_up(self, child: Child, status: int) -> None:
        """A oneshot failed too often."""
        self._event("gave-up", part=child.spec.name, status=status, log=str(child.log))
        self._line(
            f"  {child.spec.name} failed {child.starts} times ({exit_words(status)}) and is left until the next start. "
            f"Its log: {child.log}"
        )

    def stuck(self, child: Child, reason: str) -> None:
        """A child stood still."""
        self._event("stuck", part=child.spec.name, reason=reason, log=str(child.log))
        self._line(f"  {child.spec.name} stood still ({reason}) and is started again. Its log: {child.log}")

    def stopping(self) -> None:
        """The end has begun."""
        self._event("stopping")
        self._line("\n  Stopping ...")

    def stopped(self, killed: Sequence[str]) -> None:
        """Everything has ended."""
        self._event("stopped", killed=list(killed))
        self._line("  Stopped." + (f" Had to be killed: {', '.join(killed)}." if killed else ""))

    def _fact(self, name: str, text: str) -> None:
        self._line(f"  {name.ljust(_NAME_WIDTH)}{text}")

    def _line(self, text: str) -> None:
        if not self._as_json:
            self._write(text)

    def _event(self, event: str, **values: object) -> None:
        if self._as_json:
            self._write(json.dumps({"event": event, **values}))

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # the terminal or the pipe is gone: go on without a word
            click.echo(text)
            sys.stdout.flush()
