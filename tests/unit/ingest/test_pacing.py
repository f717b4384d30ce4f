from __future__ import annotations

from services.ingest.pipeline.pace import SLICE_S, Pace
from services.ingest.pipeline.shelf import Shelf
from services.ingest.pipeline.work import Work, key_of
from services.ledger.values import ClaimedDocument, DocumentKind, NewDocument


def work(number: int) -> Work:
    claimed = ClaimedDocument("c", f"h{number}", f"d{number}", 1, 0, DocumentKind.TEXT, "e:1", 10, "j", 0)
    return Work(claimed, NewDocument(f"d{number}", DocumentKind.TEXT), 1, "", (), (), {})


def test_claims_grow_and_shrink_with_the_worker() -> None:
    pace = Pace()
    first = pace.slice_bytes()
    for _ in range(20):
        pace.learn(1_000_000, 1.0)
    assert abs(pace.slice_bytes() - 1_000_000 * SLICE_S) < 20_000
    for _ in range(40):
        pace.learn(2_000, 10.0)
    assert pace.slice_bytes() == 16 * 1024 < first
    for _ in range(40):
        pace.learn(10**9, 0.1)
    assert pace.slice_bytes() == 8 * 1024 * 1024


def test_a_slice_without_text_teaches_nothing() -> None:
    pace = Pace()
    before = pace.slice_bytes()
    pace.learn(0, 3.0)
    pace.learn(5000, 0.0)
    assert pace.slice_bytes() == before


def test_the_shelf_has_few_places_and_forgets_what_nobody_fetches() -> None:
    now = [0.0]
    shelf = Shelf(clock=lambda: now[0])
    works = [work(number) for number in range(3)]
    assert shelf.has_room()
    shelf.put(works[0])
    shelf.put(works[1])
    assert not shelf.has_room()
    assert shelf.holds(key_of(works[0].claimed))
    assert shelf.take(key_of(works[0].claimed)) is works[0]
    assert shelf.take(key_of(works[0].claimed)) is None
    shelf.put(works[2])
    now[0] = 1000.0
    assert shelf.has_room()
    assert shelf.take(key_of(works[1].claimed)) is None
