"""Requests, checked and brought into the form that is searched."""

from __future__ import annotations

import re
import unicodedata

from services.errors import InvalidInput, TooLarge
from services.search.values import MAX_DEPTH, MAX_LIMIT, MODES, SearchRequest

# Zero-width and direction marks say nothing and change tokens; joiners stay, several scripts and emoji need them.
_INVISIBLE = re.compile("[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def check_request(request: SearchRequest) -> None:
    """Checks everything about a request but its query and filter.

    Raises:
        InvalidInput: a number out of range or an unknown mode; the pointer names it.
    """
    if request.mode not in MODES:
        raise InvalidInput(
            f"mode {str(request.mode)[:40]!r} is unknown; allowed is {', '.join(map(repr, MODES))}",
            pointer="/mode",
            code="unknown-mode",
        )
    if type(request.limit) is not int or not 1 <= request.limit <= MAX_LIMIT:
        raise InvalidInput(
            f"limit is {str(request.limit)[:40]}; allowed are 1 to {MAX_LIMIT}", pointer="/limit", code="out-of-range"
        )
    if type(request.offset) is not int or request.offset < 0 or request.offset + request.limit > MAX_DEPTH:
        raise InvalidInput(
            f"offset is {str(request.offset)[:40]} with limit {request.limit}; together they may reach {MAX_DEPTH}: "
            "narrow the search with a filter instead of paging further",
            pointer="/offset",
            code="out-of-range",
        )


def clean_query(query: object, max_chars: int) -> str:
    """The text that is embedded: NFC, without invisible characters, controls as blanks, trimmed.

    Raises:
        InvalidInput: no text, no letter, digit or symbol in it, or half of a surrogate pair.
        TooLarge: longer than ``max_chars`` characters.
    """
    if not isinstance(query, str):
        raise _bad(f"the query is of type {type(query).__name__}; send a text")
    if len(query) > max_chars:
        raise TooLarge(
            f"the query has {len(query):,} characters; allowed are {max_chars:,}: ask in fewer words",
            pointer="/query",
            code="query-too-long",
        )
    if _SURROGATE.search(query):
        raise _bad("the query holds half of a surrogate pair, which is no text; send valid Unicode")
    text = unicodedata.normalize("NFC", _CONTROL.sub(" ", _INVISIBLE.sub("", query))).strip()
    if not any(_says_something(letter) for letter in text):
        raise _bad("the query has no word in it; write what you look for, in plain words", code="empty-query")
    return text


def _says_something(letter: str) -> bool:
    category = unicodedata.category(letter)
    return category[0] in "LN" or category == "So"


def _bad(message: str, code: str = "bad-query") -> InvalidInput:
    return InvalidInput(message, pointer="/query", code=code)
