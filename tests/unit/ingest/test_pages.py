from __future__ import annotations

from services.ingest.chunks.pages import page_at
from services.ingest.values import PageMark


def test_the_page_of_a_place() -> None:
    pages = (PageMark(0, 1), PageMark(10, 2), PageMark(30, 5))
    assert [page_at(pages, start) for start in (0, 9, 10, 29, 30, 999)] == [1, 1, 2, 2, 5, 5]


def test_no_page_is_made_up() -> None:
    assert page_at((), 5) is None
    assert page_at((PageMark(4, 1),), 3) is None
