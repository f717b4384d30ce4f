"""The state of a search as a URL holds it: words, page and filters. Everything a link needs to show the same again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict

PAGE_SIZE = 10
MAX_PAGE = 100  # the search service answers the first 1,000 hits
FILTER_PREFIX = "f."


@dataclass(frozen=True, slots=True)
class SearchState:
    """What is searched for. ``filters`` are URL parameters ("f.kind", "class") in their order, none of them empty."""

    query: str = ""
    page: int = 1
    filters: tuple[tuple[str, str], ...] = ()

    @property
    def offset(self) -> int:
        """How many hits come before this page."""
        return (self.page - 1) * PAGE_SIZE

    def values(self, key: str) -> tuple[str, ...]:
        """The values given for a filter parameter."""
        return tuple(value for name, value in self.filters if name == key)

    def on_page(self, page: int) -> SearchState:
        """The same search, another page."""
        return replace(self, page=page)

    def narrowed(self, key: str, value: str) -> SearchState:
        """With one more filter value, from the first page on."""
        filters = self.filters if (key, value) in self.filters else (*self.filters, (key, value))
        return replace(self, filters=filters, page=1)

    def widened(self, key: str, value: str) -> SearchState:
        """Without one filter value, from the first page on."""
        return replace(self, filters=tuple(pair for pair in self.filters if pair != (key, value)), page=1)

    def unfiltered(self) -> SearchState:
        """Without any filter, from the first page on."""
        return replace(self, filters=(), page=1)

    def query_string(self) -> str:
        """The URL's query part, "" for the empty state; the same state always gives the same string."""
        pairs = [("q", self.query)] if self.query else []
        pairs += self.filters
        if self.page > 1:
            pairs.append(("page", str(self.page)))
        return urlencode(pairs)

    def filter_args(self) -> MultiDict[str, str]:
        """The filters as URL parameters, for the reader that the API uses as well."""
        return MultiDict(self.filters)


def read_state(args: MultiDict[str, str]) -> SearchState:
    """Reads the state from URL parameters; what an empty form field sends is dropped, other parameters are ignored."""
    filters: dict[tuple[str, str], None] = {}
    for key, values in args.lists():
        if key.startswith(FILTER_PREFIX):
            filters.update({(key, value.strip()): None for value in values if value.strip()})
    return SearchState(query=args.get("q", "").strip(), page=_page(args.get("page", "")), filters=tuple(filters))


def _page(given: str) -> int:
    return min(max(1, int(given)), MAX_PAGE) if given.isascii() and given.isdigit() and len(given) < 6 else 1
