"""The Lua scripts of the index: loaded once from this package, called by their hash."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from redis.exceptions import NoScriptError

from services.redis_clients import Client

Argument = str | bytes | int


@dataclass(frozen=True, slots=True)
class Script:
    """A script's text and its SHA-1, by which the server knows it."""

    text: str
    sha: str

    def run(self, client: Client, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """Runs the script in one call; a server that has not seen it yet (or was restarted) gets its text."""
        try:
            return client.execute_command("EVALSHA", self.sha, len(keys), *keys, *arguments)
        except NoScriptError:
            return client.execute_command("EVAL", self.text, len(keys), *keys, *arguments)


@cache
def load(name: str, *, changes_document: bool = False) -> Script:
    """The script ``lua/<name>.lua``; one that changes a document gets ``common.lua`` put before it.

    A first line of flags (``#!lua flags=...``) stays the first: a removal is allowed where memory is used up.
    """
    folder = files(__package__).joinpath("lua")
    text = folder.joinpath(f"{name}.lua").read_text("utf-8")
    if changes_document:
        flags, rest = text.split("\n", 1) if text.startswith("#!") else ("", text)
        text = flags + "\n" * bool(flags) + folder.joinpath("common.lua").read_text("utf-8") + rest
    return Script(text, hashlib.sha1(text.encode("utf-8"), usedforsecurity=False).hexdigest())
