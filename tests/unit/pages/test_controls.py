"""Filters as form controls."""

from __future__ import annotations

from services.collections.values import Algorithm, Chunking, Collection, FieldSpec, FieldType, VectorType
from web.pages.controls import MAX_CHOICES, Choice, active_filters, controls_of, suggest_tags
from web.pages.state import SearchState

COLLECTION = Collection(
    id="c",
    name="papers",
    description="",
    model="hash",
    fingerprint="f",
    dim=64,
    vector_type=VectorType.FLOAT32,
    algorithm=Algorithm.FLAT,
    chunking=Chunking(),
    fields=(
        FieldSpec("topic", FieldType.TAG),
        FieldSpec("build_year", FieldType.NUMBER),
        FieldSpec("published", FieldType.DATE),
        FieldSpec("open", FieldType.BOOLEAN),
    ),
    language="en",
    created_at_ms=0,
)


def test_every_declared_field_has_a_control_in_its_order() -> None:
    controls = controls_of(COLLECTION, SearchState(), {})
    assert [(c.name, c.label, c.key) for c in controls] == [
        ("topic", "topic", "f.topic"),
        ("build_year", "build year", "f.build_year"),
        ("published", "published", "f.published"),
        ("open", "open", "f.open"),
    ]


def test_controls_are_filled_from_the_address() -> None:
    state = SearchState(
        filters=(
            ("f.topic", "a b"),
            ("f.build_year.gte", "2000"),
            ("f.build_year.lte", "2010"),
            ("f.published.gte", "2026-01-01"),
            ("f.open", "true"),
        )
    )
    topic, year, published, is_open = controls_of(COLLECTION, state, {"topic": ("a b", "z", "Aa")})
    assert topic.choices == (Choice("a b", True), Choice("Aa", False), Choice("z", False))
    assert (year.low, year.high) == ("2000", "2010")
    assert (published.low, published.high) == ("2026-01-01", "")
    assert is_open.value == "true"


def test_chosen_values_stay_even_where_they_fill_the_list() -> None:
    chosen = tuple(("f.topic", f"t{n}") for n in range(MAX_CHOICES + 2))
    (topic, *_) = controls_of(COLLECTION, SearchState(filters=chosen), {"topic": ("x", "y", "z", "more")})
    assert [choice.value for choice in topic.choices] == sorted(value for _, value in chosen)


def test_filters_in_force_are_said_in_words() -> None:
    state = SearchState(filters=(("f.topic", "x"), ("f.build_year.gte", "2000"), ("f.published.lte", "2026-02-01")))
    assert [(f.words, f.value) for f in active_filters(state)] == [
        ("topic", "x"),
        ("build year from", "2000"),
        ("published up to", "2026-02-01"),
    ]


def test_suggestions_are_the_most_frequent_tags_and_nothing_else() -> None:
    documents: list[dict[str, object]] = [{"topic": "b"}, {"topic": ["a", "b"]}, {"topic": 5}, {"topic": "x" * 500}, {}]
    documents += [{"topic": f"rare{n}", "build_year": 2000} for n in range(20)]
    found = suggest_tags(COLLECTION, documents)
    assert list(found) == ["topic"]
    assert found["topic"][:2] == ("b", "a")
    assert len(found["topic"]) == MAX_CHOICES + 1
