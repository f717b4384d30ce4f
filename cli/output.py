"""What commands print: JSON for scripts, calm text for people, progress on a terminal only."""

from __future__ import annotations

import json
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import click

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_MAX_WIDTH = 100


def print_json(value: object) -> None:
    """One JSON document on stdout."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def note(text: str) -> None:
    """A remark on stderr, so that it never gets into piped output."""
    click.echo(text, err=True)


def clean(text: str) -> str:
    """Text of a document made safe for a terminal: no control or direction characters, which could act on it."""
    return _CONTROL.sub("\ufffd", text)


def wrapped(text: str, *, indent: str, lines: int) -> str:
    """Text on at most so many lines of the terminal's width."""
    width = min(shutil.get_terminal_size().columns, _MAX_WIDTH) - 1
    return textwrap.fill(
        " ".join(clean(text).split()),
        width=max(width, 40),
        initial_indent=indent,
        subsequent_indent=indent,
        max_lines=lines,
        placeholder=" ...",
    )


def columns(rows: Sequence[Sequence[str]], *, indent: str = "  ") -> str:
    """Rows as columns; the last column is not padded."""
    if not rows:
        return ""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return "\n".join(
        (indent + "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])).rstrip()
        for row in rows
    )


class Progress(Protocol):
    """A bar that moves. ``total`` 0 means that the end is not known."""

    def update(self, what: str, done: int, total: int) -> None:
        """Shows how far the step ``what`` is."""


class _Quiet:
    def update(self, what: str, done: int, total: int) -> None:
        """Shows nothing."""


class _Bars:
    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self.bars = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._tasks: dict[str, int] = {}

    def update(self, what: str, done: int, total: int) -> None:
        """Moves the bar of a step; a new step gets a bar of its own."""
        if what not in self._tasks:
            self._tasks[what] = self.bars.add_task(what, total=total or None)
        self.bars.update(self._tasks[what], completed=done, total=total or None)  # type: ignore[arg-type]


@contextmanager
def progress(*, wanted: bool) -> Iterator[Progress]:
    """Bars on stderr if that is a terminal and they are wanted, else nothing."""
    if not wanted or not sys.stderr.isatty():
        yield _Quiet()
        return
    bars = _Bars()
    with bars.bars:
        yield bars
