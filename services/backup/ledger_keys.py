"""What the ledger knows beside documents and collections, as plain lines: the sources that are followed.

Type and content are written out, not Redis' own dump, which one version of Redis does not take from another.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

from services.ids import PREFIX
from services.redis_clients import Client

KEPT = f"{PREFIX}:s:*"
_OF_THE_MOMENT = frozenset({f"{PREFIX}:s:lease", f"{PREFIX}:s:now"})
COUNT = 1000


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
        ValueError: a line that is none of ours; those before it are written.
    """
    count = 0
    for line in data.decode("ascii").splitlines():
        name, kind, content = json.loads(line)
        if not isinstance(name, str) or not name.startswith(KEPT.rstrip("*")):
            raise ValueError(f"{name!r} is not a key that a backup holds")
        _write(client, name, kind, content)
        count += 1
    return count


def _content(client: Client, name: bytes, kind: str) -> Any:
    match kind:
        case "string":
            return _text(client.get(name) or b"")
        case "hash":
            return [[_text(field), _text(value)] for field, value in client.hgetall(name).items()]
        case "set":
            return sorted(_text(member) for member in client.smembers(name))
        case "zset":
            return [[_text(member), score] for member, score in client.zrange(name, 0, -1, withscores=True)]
        case "list":
            return [_text(item) for item in client.lrange(name, 0, -1)]
        case _:
            return None


def _write(client: Client, name: str, kind: str, content: Any) -> None:
    client.delete(name)
    match kind:
        case "string":
            client.set(name, _bytes(content))
        case "hash":
            client.hset(name, mapping=dict[Any, Any]({_bytes(field): _bytes(value) for field, value in content}))
        case "set":
            client.sadd(name, *(_bytes(member) for member in content))
        case "zset":
            client.zadd(name, {_bytes(member): score for member, score in content})
        case "list":
            client.rpush(name, *(_bytes(item) for item in content))
        case _:
            raise ValueError(f"{kind!r} is no kind of key that a backup holds")


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
