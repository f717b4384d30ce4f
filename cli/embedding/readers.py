"""Texts to embed: arguments, lines of files and of standard input, plain or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cli.output import note
from services.errors import InvalidInput

MAX_LINE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Text:
    """A text, and the id it was given; "" for none."""

    text: str
    id: str = ""


def read_texts(texts: Sequence[str], files: Sequence[Path], *, ndjson: bool) -> Iterator[Text]:
    """Arguments first, then files line by line. Blank lines are passed over, and counted on stderr.

    Raises:
        InvalidInput: code "bad-text" (half of a surrogate pair, no UTF-8), "empty-text", "malformed-json" or
            "too-large"; the message names the place.
    """
    for number, text in enumerate(texts, start=1):
        yield _checked(Text(text), f"text {number}")
    for path in files:
        if str(path) == "-":
            yield from _lines(sys.stdin.buffer, "standard input", ndjson=ndjson)
        else:
            try:
                with path.open("rb") as stream:
                    yield from _lines(stream, str(path), ndjson=ndjson)
            except OSError as error:
                raise InvalidInput(f"{path} cannot be read: {error.strerror}", code="unreadable-file") from error


def _lines(stream: BinaryIO, name: str, *, ndjson: bool) -> Iterator[Text]:
    blank = number = 0
    while line := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        place = f"{name}, line {number}"
        if len(line) > MAX_LINE_BYTES:
            raise InvalidInput(f"{place} is longer than {MAX_LINE_BYTES:,} bytes; cut it", code="too-large")
        try:
            text = line.decode("utf-8").strip("\r\n").removeprefix("\ufeff" if number == 1 else "")
        except UnicodeDecodeError as error:
            raise InvalidInput(f"{place} is not UTF-8 (byte {error.start})", code="bad-text") from None
        if not text.strip():
            blank += 1
        else:
            yield _checked(_json_line(text, place) if ndjson else Text(text), place)
    if blank:
        note(f"{name}: {blank} blank line{'s' if blank > 1 else ''} passed over")


def _json_line(line: str, place: str) -> Text:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{place} is not JSON ({error})", code="malformed-json") from None
    if isinstance(found, str):
        return Text(found)
    if not isinstance(found, dict) or not isinstance(found.get("text"), str):
        raise InvalidInput(
            f'{place} is neither a string nor an object such as {{"id": "a", "text": "..."}}', code="malformed-json"
        )
    given = found.get("id")
    return Text(found["text"], "" if given is None else str(given))


def _checked(text: Text, place: str) -> Text:
    if not text.text.strip():
        raise InvalidInput(f"{place} is empty; there is nothing to embed in it: leave it out", code="empty-text")
    try:
        f"{text.text}{text.id}".encode()
    except UnicodeEncodeError:
        raise InvalidInput(
            f"{place} holds half of a surrogate pair, or bytes that are not UTF-8; only valid Unicode text can be "
            "embedded",
            code="bad-text",
        ) from None
    return text
