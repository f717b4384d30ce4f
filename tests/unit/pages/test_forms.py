"""Posted forms: what was typed comes back as it was, and becomes values of the right types."""

from __future__ import annotations

import pytest
from werkzeug.datastructures import MultiDict

from services.collections.values import Algorithm, Chunking, FieldSpec, FieldType, VectorType
from services.embedding.registry import ModelRegistry
from services.errors import InvalidInput
from tests.unit.pages.test_controls import COLLECTION
from web.pages.collection_form import FIELD_ROWS, CollectionForm, read_collection_form
from web.pages.document_form import read_metadata, read_text_form, request_id

HASH = ModelRegistry().spec("hash")


def test_a_collection_form_becomes_a_collection() -> None:
    form = read_collection_form(
        MultiDict(
            [
                ("name", " notes "),
                ("description", " my\r\nnotes "),
                ("model", "hash"),
                ("field_name", "year"),
                ("field_type", "number"),
                ("field_name", " "),
                ("field_type", "tag"),
                ("field_name", "kind"),
                ("field_type", "tag"),
                ("size_tokens", "64"),
                ("overlap_tokens", "8"),
                ("algorithm", "flat"),
                ("vector_type", "float32"),
            ]
        )
    )
    new = form.new_collection(HASH)
    assert (new.name, new.description, new.model, new.dim) == ("notes", "my notes", "hash", HASH.dim)
    assert new.fields == (FieldSpec("year", FieldType.NUMBER), FieldSpec("kind", FieldType.TAG))
    assert new.chunking == Chunking("structure", 64, 8)
    assert (new.algorithm, new.vector_type, new.language) == (Algorithm.FLAT, VectorType.FLOAT32, "en")
    assert form.unusual
    assert form.rows[:2] == (("year", "number"), ("kind", "tag"))


def test_an_empty_form_has_rows_to_fill_in_and_hides_its_details() -> None:
    assert len(CollectionForm().rows) == FIELD_ROWS
    assert not CollectionForm(name="x", description="y", model="hash", fields=(("a", "tag"),)).unusual
    full = CollectionForm(fields=tuple((f"f{n}", "tag") for n in range(9)))
    assert full.rows[-1] == ("", "tag")


@pytest.mark.parametrize(
    ("name", "value", "pointer"),
    [
        ("algorithm", "magic", "/algorithm"),
        ("vector_type", "int8", "/vector_type"),
        ("size_tokens", "many", "/size_tokens"),
        ("size_tokens", "١٢", "/size_tokens"),
        ("overlap_tokens", "-1", "/overlap_tokens"),
        ("field_type", "colour", "/fields"),
    ],
)
def test_impossible_choices_are_refused_by_name(name: str, value: str, pointer: str) -> None:
    given = MultiDict({"name": "notes", "model": "hash", "field_name": "x", "field_type": "tag", name: value})
    with pytest.raises(InvalidInput) as refused:
        read_collection_form(given).new_collection(HASH)
    assert refused.value.pointer == pointer


def test_pasted_text_keeps_its_lines_and_loses_the_carriage_returns() -> None:
    form = read_text_form(MultiDict({"text": "a\r\nb\r\n", "title": " T ", "meta.topic": "x"}), COLLECTION)
    assert (form.text, form.title, form.media_type) == ("a\nb\n", "T", "text/plain")
    assert form.given(COLLECTION.fields[0]) == "x"
    assert form.given(COLLECTION.fields[1]) == ""


def test_metadata_has_the_declared_types_and_no_empty_fields() -> None:
    given = MultiDict({"meta.topic": "x", "meta.build_year": "2026", "meta.published": "", "meta.open": "false"})
    assert read_metadata(given, COLLECTION) == {"topic": "x", "build_year": 2026, "open": False}
    assert read_metadata(MultiDict({"meta.build_year": "1.5"}), COLLECTION) == {"build_year": 1.5}
    assert read_metadata(MultiDict({"meta.other": "x"}), COLLECTION) == {}


@pytest.mark.parametrize("given", ["many", "nan", "inf", "-Infinity", "1e999", "1,5", "0x10"])
def test_a_number_field_takes_only_numbers(given: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_metadata(MultiDict({"meta.build_year": given}), COLLECTION)
    assert refused.value.pointer == "/metadata/build_year"


def test_the_same_form_sent_twice_is_one_request_and_another_text_is_another() -> None:
    token = "0123456789abcdef" * 2
    assert request_id(token, b"a", b"b") == request_id(token, b"a", b"b")
    assert request_id(token, b"a", b"b") != request_id(token, b"ab", b"")
    assert request_id(token, b"a")[0] != request_id(token[::-1], b"a")[0]
    assert request_id("", b"a")[0] == ""
    assert request_id("no token of ours\n", b"a")[0] == ""
