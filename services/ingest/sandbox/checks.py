"""Members of a JSON object that nobody vouches for, each taken as what it must be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from services.ingest.cleaning import clean_text
from services.ingest.sandbox.frames import UnusableResult

_MOST = 1 << 53  # larger numbers do not come through JSON and Lua unharmed
_CODE = re.compile(r"[a-z][a-z0-9-]{0,60}")


class Reader:
    """Reads members; every method raises UnusableResult for one of another type.

    Args:
        value: as parsed.
    """

    def __init__(self, value: Mapping[str, Any]) -> None:
        self._value = value

    def has(self, name: str) -> bool:
        """Whether there is such a member, and it is not null."""
        return self._value.get(name) is not None

    def whole(self, name: str) -> int:
        """A whole number, neither negative nor over 2**53."""
        found = self._value.get(name)
        if type(found) is not int or not 0 <= found <= _MOST:
            raise UnusableResult(f"its {name} is no number")
        return found

    def flag(self, name: str) -> bool:
        """True or false."""
        return self._value.get(name) is True

    def text(self, name: str, most: int | None = None) -> str:
        """A text, "" when it is missing, cut to ``most`` characters."""
        found = self._value.get(name, "")
        if not isinstance(found, str):
            raise UnusableResult(f"its {name} is no text")
        return found[:most]

    def text_or_none(self, name: str) -> str | None:
        """A text, None when it is missing."""
        return self.text(name) if self.has(name) else None

    def line(self, name: str, most: int) -> str:
        """A text on one line, without controls and half surrogate pairs."""
        return _line(self.text(name, 10 * most), most)

    def lines(self, name: str, count: int, most: int) -> tuple[str, ...]:
        """The first ``count`` texts of a list, each as ``line``; empty ones are left out."""
        found = self._value.get(name, [])
        if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
            raise UnusableResult(f"its {name} are no list of texts")
        return tuple(filter(None, (_line(item[: 10 * most], most) for item in found[:count])))

    def code(self, name: str) -> str:
        """An error code."""
        found = self.text(name)
        if not _CODE.fullmatch(found):
            raise UnusableResult("its code is none")
        return found

    def mapping(self, name: str) -> Mapping[str, Any]:
        """An object, empty when it is missing."""
        found = self._value.get(name) or {}
        if not isinstance(found, dict):
            raise UnusableResult(f"its {name} is no object")
        return found

    def inner(self, name: str) -> Reader:
        """The members of an object."""
        return Reader(self.mapping(name))

    def marks(self, name: str, types: tuple[type, ...], length: int) -> Iterator[Any]:
        """Lists whose members have ``types`` and begin with an offset into a text of ``length``, in order of it.

        Where the second type is a number and there are three or more, that is an offset too, not before the first.
        """
        found = self._value.get(name, [])
        if not isinstance(found, list):
            raise UnusableResult(f"its {name} are no list")
        before = 0
        for mark in found:
            if not isinstance(mark, list) or [type(member) for member in mark] != list(types):
                raise UnusableResult(f"its {name} are of another shape")
            ends_at = mark[1] if len(types) > 2 else mark[0]
            if not before <= mark[0] <= ends_at <= length:
                raise UnusableResult(f"its {name} are out of order or outside the text")
            if any(type(member) is int and abs(member) > _MOST for member in mark):
                raise UnusableResult(f"its {name} have numbers that are too large")
            before = mark[0]
            yield (*mark[:-1], _line(mark[-1], 1000)) if types[-1] is str else tuple(mark)


def _line(text: str, most: int) -> str:
    clean = clean_text(text).encode("utf-8", "replace").decode("utf-8")
    return " ".join(clean.split())[:most]
