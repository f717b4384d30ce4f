"""Hits as the page shows them."""

from __future__ import annotations

from typing import Any

from werkzeug.datastructures import MultiDict

from services.search.values import Hit, Passage
from tests.unit.pages.test_controls import COLLECTION
from web.pages.hits import DISTANCE_PX, hit_view
from web.pages.notices import NOTICES, notice
from web.pages.state import SearchState

PASSAGE = Passage("the text", 0, 8, "Guide › Install", 3, 0)


def hit(**more: Any) -> Hit:
    members: dict[str, Any] = {
        "id": "i",
        "title": "T",
        "url": "",
        "source": "a.md",
        "score": 0.75,
        "passage": PASSAGE,
        "passages": 2,
        "metadata": {},
        "collection": "papers",
        "generation": 7,
    }
    return Hit(**{**members, **more})


def test_a_hit_says_where_its_passage_stands() -> None:
    assert hit_view(hit(), COLLECTION, SearchState(), "/x").place == ("a.md", "Guide › Install", "page 3")
    untitled = hit_view(hit(title="", passage=Passage("t", 0, 1, "", None, 0)), COLLECTION, SearchState(), "/x")
    assert (untitled.title, untitled.place) == ("a.md", ())
    assert hit_view(hit(title="", source=""), COLLECTION, SearchState(), "/x").title == "i"


def test_facts_are_the_declared_fields_and_tags_narrow_the_search() -> None:
    metadata = {"topic": ["x", "y", "z", "more"], "build_year": 2026, "open": True, "other": "hidden", "published": ""}
    facts = hit_view(hit(metadata=metadata), COLLECTION, SearchState("q", 4), "/x").facts
    assert [(fact.label, fact.value) for fact in facts] == [
        ("topic", "x"),
        ("topic", "y"),
        ("topic", "z"),
        ("build year", "2026"),
        ("open", "yes"),
    ]
    assert facts[0].narrowed == SearchState("q", 1, (("f.topic", "x"),))
    assert facts[3].narrowed is None
    assert facts[4].narrowed == SearchState("q", 1, (("f.open", "true"),))


def test_the_mark_of_the_score_stays_on_its_line() -> None:
    places = [hit_view(hit(score=s), COLLECTION, SearchState(), "/x").distance for s in (1.2, 1.0, 0.75, 0.5, 0.1)]
    assert places == [0, 0, DISTANCE_PX / 2, DISTANCE_PX, DISTANCE_PX]


def test_notices_come_from_codes_only() -> None:
    assert notice(MultiDict({"done": "saved"})) == "Saved."
    assert notice(MultiDict({"done": "accepted", "n": "1240"})).startswith("Taken in: 1,240 documents.")
    assert notice(MultiDict({"done": "accepted", "n": "<script>"})).startswith("Taken in: 0.")
    assert notice(MultiDict({"done": "<b>You won</b>"})) == ""
    assert all("<" not in sentence for sentence in NOTICES.values())
