"""Looks documents up by what went wrong with them or what they are called. Reads only.

The ledger keeps no index for this: lists are walked, a bounded stretch at a time, which is quick enough for a person
who looks for failures (10,000 records a second) and costs an accept nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from services.ledger import keys
from services.ledger.reading import Reading
from services.ledger.values import DocumentRecord, DocumentState, Page

STRETCH = 500
LOOKED_AT = 5_000
COUNTED = 20_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which documents are looked for; an empty part leaves the choice open.

    ``code`` is an error's code. ``text`` stands in the id, title, file name or link, in whatever case.
    """

    state: DocumentState | None = None
    code: str = ""
    text: str = ""

    @property
    def everything(self) -> bool:
        """Whether a list as it stands is the answer."""
        return not self.code and not self.text

    def matches(self, record: DocumentRecord) -> bool:
        """Whether a document is one of them; its state is not looked at."""
        if self.code and record.error_code != self.code:
            return False
        needle = self.text.casefold()
        return not needle or any(
            needle in text.casefold() for text in (record.id, record.title, record.source, record.url)
        )


class Finding(Reading):
    """The part of the ledger that finds documents."""

    def find(self, collection_id: str, wanted: Wanted, *, cursor: str = "", limit: int = 50) -> Page[DocumentRecord]:
        """A page of the documents that are wanted, last accepted first.

        A page may hold fewer than ``limit`` documents, even none, and still have a next one: 5,000 records are looked
        at in one call.

        Raises:
            InvalidInput: a cursor that is not one of ours.
        """
        if wanted.everything:
            return self.documents(collection_id, cursor=cursor, limit=limit, state=wanted.state)
        found: list[DocumentRecord] = []
        last = ""
        for _ in range(LOOKED_AT // STRETCH):
            rows, cursor = self._page(_list_of(collection_id, wanted), cursor, STRETCH)
            places = dict(rows)
            for record in filter(wanted.matches, self._present(collection_id, rows)):
                if len(found) == limit:
                    return Page(tuple(found), last)
                found.append(record)
                last = places[record.doc_hash]
            if not cursor:
                break
        return Page(tuple(found), cursor)

    def all_of(self, collection_id: str, wanted: Wanted) -> Iterator[DocumentRecord]:
        """Every document that is wanted, last accepted first, read while they are taken."""
        cursor = ""
        while True:
            page = self.find(collection_id, wanted, cursor=cursor, limit=STRETCH)
            yield from page.items
            cursor = page.next_cursor
            if not cursor:
                return

    def failure_codes(self, collection_id: str) -> Mapping[str, int]:
        """How many of the last 20,000 failed documents failed for which reason, most frequent first."""
        key = keys.in_state(collection_id, DocumentState.FAILED)
        (members,) = self.link.read(lambda pipe: pipe.zrevrange(key, 0, COUNTED - 1))
        names = [keys.document(collection_id, member.decode()) for member in members]
        codes = self.link.read(lambda pipe: [pipe.hget(name, "code") for name in names]) if names else []
        return dict(Counter(code.decode() for code in codes if code).most_common())


def _list_of(collection_id: str, wanted: Wanted) -> str:
    return keys.in_state(collection_id, wanted.state) if wanted.state else keys.all_documents(collection_id)
