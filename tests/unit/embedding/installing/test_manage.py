"""Checking, measuring, describing and choosing models."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.embedding.installing.default import Chosen
from services.embedding.installing.verifying import Difference
from services.errors import Conflict, ModelError, NotFound
from tests.unit.embedding.installing.tools import Place, small_model


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "data")


def test_verify_names_every_file_that_differs(place: Place, tmp_path: Path) -> None:
    place.models.pull(str(small_model(tmp_path / "source")), "mine")
    found = place.models.verify("mine")
    assert (found.ok, found.files, found.against) == (True, 3, "its record")
    folder = place.folder / "mine"
    weights = (folder / "weights.safetensors").read_bytes()
    (folder / "weights.safetensors").write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    (folder / "vocabulary.json").unlink()
    (folder / "new.json").write_text("{}")
    found = place.models.verify("mine")
    assert not found.ok
    assert set(found.differences) == {
        Difference("weights.safetensors", "changed"),
        Difference("vocabulary.json", "missing"),
        Difference("new.json", "added"),
    }
    with pytest.raises(ModelError) as caught:
        place.registry.load("mine")
    assert caught.value.code in ("model-changed", "model-missing")


def test_verify_without_a_record(place: Place, tmp_path: Path) -> None:
    small_model(place.folder / "by-hand")
    found = place.models.verify("by-hand")
    assert (found.ok, found.against) == (True, "its manifest")
    (place.folder / "by-hand" / "vocabulary.json").write_text("[]")
    assert not place.models.verify("by-hand").ok
    assert place.models.verify("hash").against == "nothing"
    built_in = place.models.verify("all-MiniLM-L6-v2")
    assert (built_in.ok, built_in.against, built_in.files) == (True, "this release", 10)
    (place.folder / "by-hand.json").write_text("{}")
    assert "damaged" in place.models.verify("by-hand").problem


def test_what_nobody_knows(place: Place) -> None:
    for call in (place.models.describe, place.models.verify, place.models.benchmark, place.models.choose):
        with pytest.raises(NotFound) as caught:
            call("none")
        assert caught.value.code == "unknown-model"


def test_describe(place: Place, tmp_path: Path) -> None:
    place.models.pull(str(small_model(tmp_path / "source")), "mine")
    place.users += [("b", "mine"), ("a", "mine"), ("c", "hash")]
    facts = place.models.describe("mine")
    assert facts.used_by == ("a", "b")
    assert facts.spec is not None
    assert (facts.spec.family, facts.spec.dim, facts.default) == ("tf-idf", 8, False)
    assert facts.runtime is None
    place.registry.load("mine")
    runtime = place.models.describe("mine").runtime
    assert runtime is not None
    assert runtime.name == "numpy"
    listed = {each.name: each for each in place.models.all()}
    assert listed["mine"].size_bytes == facts.size_bytes > 500
    assert listed["all-MiniLM-L6-v2"].default


def test_benchmark(place: Place, tmp_path: Path) -> None:
    place.models.pull(str(small_model(tmp_path / "source")), "mine")
    found = place.models.benchmark("mine", 1.0)
    assert found.texts_per_s > 0
    assert 0 < found.query_p50_ms < 10_000
    assert found.memory_bytes > 20_000_000
    assert found.runtime == "numpy"


def test_the_default_is_what_was_set_then_chosen_then_built_in(tmp_path: Path) -> None:
    plain = Place(tmp_path / "data")
    assert (plain.default.name(), plain.default.by()) == ("all-MiniLM-L6-v2", Chosen.BUILT_IN)
    plain.models.choose("hash")
    assert (plain.default.name(), plain.default.by()) == ("hash", Chosen.CHOICE)
    assert Place(tmp_path / "data").default.name() == "hash", "every process sees it"
    fixed = Place(tmp_path / "data", model="all-MiniLM-L6-v2")
    assert (fixed.default.name(), fixed.default.by()) == ("all-MiniLM-L6-v2", Chosen.SETTING)
    with pytest.raises(Conflict, match="NEARFIELD_MODEL is set") as caught:
        fixed.models.choose("hash")
    assert caught.value.code == "default-is-set"
    (tmp_path / "data" / "models" / "default.json").write_text("[")
    assert plain.default.name() == "all-MiniLM-L6-v2", "a file that cannot be read is no choice"


def test_a_model_whose_files_are_broken_is_no_default(place: Place, tmp_path: Path) -> None:
    small_model(place.folder / "by-hand")
    (place.folder / "by-hand" / "nearfield-model.json").write_text("{")
    with pytest.raises(ModelError):
        place.models.choose("by-hand")
    assert place.default.by() is Chosen.BUILT_IN
