"""``nearfield embed``: texts to vectors, in this process or by a running instance."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from cli.options import data_dir_option, json_option, read_settings
from cli.output import note, progress

if TYPE_CHECKING:
    from cli.embedding.readers import Text
    from cli.embedding.sources import Vectors
    from cli.embedding.writers import Writer

PIECE_TEXTS = 64


@click.command("embed")
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="A file with a text on each line, '-' for standard input; may be given again.",
)
@click.option(
    "--ndjson", is_flag=True, help='Lines hold JSON: a string, or an object such as {"id": "a", "text": "..."}.'
)
@click.option("-m", "--model", help="Name, folder or hub name of the model; the default model unless given.")
@click.option(
    "--role",
    type=click.Choice(["document", "query"]),
    default="document",
    show_default=True,
    help="What the texts are: some models embed a question otherwise than an answer.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["json", "ndjson", "npy", "base64"]),
    help="How vectors are written: one JSON document, an object per line (the default), a NumPy array, or an object "
    "per line with base64 of little-endian float32.",
)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Where to; unset: standard output."
)
@click.option("--server", is_flag=True, help="Ask the running instance (NEARFIELD_URL) instead of loading the model.")
@data_dir_option
@json_option
def command(
    texts: tuple[str, ...],
    files: tuple[Path, ...],
    ndjson: bool,
    model: str | None,
    role: str,
    format_: str | None,
    output: Path | None,
    server: bool,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Turn texts into vectors.

    Takes texts as arguments, from files, or from standard input, a text on each line. Vectors are float32 of length 1,
    in the order of the texts. Without --server no instance is needed. --json is --format json.
    """
    from cli.embedding.readers import read_texts
    from cli.embedding.sources import open_source
    from cli.embedding.writers import make_writer

    if as_json and format_ not in (None, "json"):
        raise click.UsageError(f"--json is --format json; --format {format_} is something else")
    format_ = "json" if as_json else format_ or "ndjson"
    if not texts and not files:
        if sys.stdin.isatty():
            raise click.UsageError("give a TEXT, a file (--file), or texts on standard input")
        files = (Path("-"),)
    if format_ == "npy" and output is None and sys.stdout.isatty():
        raise click.UsageError("--format npy writes bytes that are not for a terminal; name a file with --output")
    with ExitStack() as opened:
        source = opened.enter_context(open_source(read_settings(data_dir=data_dir), model, role, server=server))
        read = read_texts(texts, files, ndjson=ndjson)
        with _written(output) as stream:
            count = _embed(read, source, make_writer(format_, stream, source), to_terminal=output is None)
    if output is not None:
        note(f"{count:,} vectors of {source.dim} numbers written to {output}")


@contextmanager
def _written(output: Path | None) -> Iterator[BinaryIO]:
    """Where vectors go. A file appears when it is whole; a failed run leaves what was there before."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    unfinished = output.with_name(output.name + ".unfinished")
    try:
        with unfinished.open("wb") as stream:
            yield stream
        unfinished.replace(output)
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {error.strerror}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _embed(texts: Iterator[Text], source: Vectors, writer: Writer, *, to_terminal: bool) -> int:
    done = 0
    with progress(wanted=not (to_terminal and sys.stdout.isatty())) as bar:
        while piece := list(islice(texts, PIECE_TEXTS)):
            writer.write(piece, source.embed([text.text for text in piece]))
            done += len(piece)
            bar.update("embedding", done, 0)
        writer.finish()
    return done
