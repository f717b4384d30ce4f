"""What the ledger knows beside documents and collections, as plain lines: the sources that are followed.

Type and content are written out, not Redis' own dump, which one version of Redis does not take from another.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from services.backup.manifest import read_json
from services.ids import PREFIX
from services.redis_clients import Client
from services.sources.records import read_item, read_source, read_status
from services.sources.values import Item, Source, SourceStatus, Tally

KEPT = f"{PREFIX}:s:*"
_OF_THE_MOMENT = frozenset({f"{PREFIX}:s:lease", f"{PREFIX}:s:now"})
COUNT = 1000
_KINDS = (
    (re.compile(re.escape(KEPT[:-1]) + r"(?:names|d|i):[a-z0-9]{4,40}"), "hash"),
    (re.compile(re.escape(KEPT[:-1]) + r"(?:all|left:[a-z0-9]{4,40})"), "set"),
    (re.compile(re.escape(KEPT[:-1]) + "rev"), "string"),
)
Content = bytes | set[bytes] | dict[bytes, bytes]


def export_keys(client: Client) -> Iterator[bytes]:
    """Each key as a line; what changes meanwhile is in or not, as sources are looked at again in any case."""
    for name in client.scan_iter(match=KEPT, count=COUNT):
        if name.decode() in _OF_THE_MOMENT:
            continue
        kind = str(client.execute_command("TYPE", name).decode())
        content = _content(client, name, kind)
        if content is not None:
            yield (json.dumps([name.decode(), kind, content]) + "\n").encode("ascii")


def import_keys(client: Client, data: bytes) -> int:
    """Writes exported keys into a ledger that has none of them; how many.

    Raises:
        ValueError: a line that is none of ours; nothing is written.
    """
    keys = read_keys(data)
    for name, content in keys:
        _write(client, name, content)
    return len(keys)


def read_keys(data: bytes) -> list[tuple[str, Content]]:
    """Exported keys, each checked to be one of ours with what belongs there.

    Raises:
        ValueError: a line that is none.
    """
    return [_key(line) for line in data.split(b"\n") if line]


def _key(line: bytes) -> tuple[str, Content]:
    entry = read_json(line)
    if not isinstance(entry, list) or len(entry) != 3 or not isinstance(entry[0], str):
        raise ValueError("a line is no key")
    name, kind, content = entry
    expected = next((wanted for pattern, wanted in _KINDS if pattern.fullmatch(name)), None)
    if expected is None or kind != expected:
        raise ValueError(f"{name[:80]!r} is not a key that a backup holds")
    match kind:
        case "string":
            value: Content = str(int(_bytes(content))).encode("ascii")
        case "set":
            value = {_bytes(member) for member in _list(content)}
        case _:
            value = dict(_pair(entry) for entry in _list(content))
    if isinstance(value, dict):
        _check_hash(name, value)
    return name, value


def _check_hash(name: str, content: dict[bytes, bytes]) -> None:
    """Sources and their items must be what is read of them later, when nobody could say where they came from."""
    try:
        if name.startswith(f"{KEPT[:-1]}i:"):
            for text in content.values():
                _require_types(read_item(text), Item(""))
        elif name.startswith(f"{KEPT[:-1]}d:"):
            source = read_source(content[b"source"])
            status = read_status(content.get(b"status"))
            _require_types(source, Source("", "", "", source.kind, ""))
            _require_types(status, SourceStatus())
            _require_types(status.tally, Tally())
        for text in content.values() if name.startswith(f"{KEPT[:-1]}names:") else ():
            text.decode("ascii")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise ValueError(f"{name[:80]!r} does not hold what belongs there") from error


def _require_types(made: Item | Source | SourceStatus | Tally, like: Item | Source | SourceStatus | Tally) -> None:
    """Raises TypeError when a member is of another type than that of ``like``."""
    for field in fields(made):
        value, wanted = getattr(made, field.name), getattr(like, field.name)
        if not isinstance(value, type(wanted)) or (type(value) is int and abs(value) >= 1 << 53):
            raise TypeError(field.name)
        if isinstance(value, tuple) and not all(isinstance(part, str) for part in value):
            raise TypeError(field.name)


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("no list")
    return value


def _pair(value: object) -> tuple[bytes, bytes]:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError("no pair")
    return _bytes(value[0]), _bytes(value[1])


def _content(client: Client, name: bytes, kind: str) -> Any:
    match kind:
        case "string":
            return _text(client.get(name) or b"")
        case "hash":
            return [[_text(field), _text(value)] for field, value in client.hgetall(name).items()]
        case "set":
            return sorted(_text(member) for member in client.smembers(name))
        case _:
            return None


def _write(client: Client, name: str, content: Content) -> None:
    client.delete(name)
    if isinstance(content, bytes):
        client.set(name, content)
    elif content and isinstance(content, dict):
        client.hset(name, mapping=dict[Any, Any](content))
    elif content:
        client.sadd(name, *content)


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _bytes(text: object) -> bytes:
    if not isinstance(text, str):
        raise ValueError("no text")
    return base64.b64decode(text, validate=True)
