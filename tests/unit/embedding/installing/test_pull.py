"""A model is installed whole and tried, or not at all; what was there before stays."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.embedding.backends.torch_loading import load_sentence_transformer
from services.embedding.installing.record import read_record
from services.errors import Conflict, InvalidInput, ModelError, NearfieldError, NotFound
from tests.models import build_tiny_model
from tests.unit.embedding.installing.tools import Place, small_model


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "data")


def test_a_folder_is_installed_with_a_record_of_every_file(place: Place, tmp_path: Path) -> None:
    source = small_model(tmp_path / "source")
    (source / "README.md").write_text("what it is")
    facts = place.models.pull(str(source), "mine")
    assert (facts.name, facts.installed, facts.problem) == ("mine", True, "")
    assert place.visible() == {"mine", "mine.json"}
    assert "mine" in place.registry.names(), "a registry that was there before sees it at once"
    record = read_record(place.folder / "mine.json")
    assert record is not None
    assert set(record.files) == {"nearfield-model.json", "weights.safetensors", "vocabulary.json", "README.md"}
    assert record.source == str(source)
    assert record.size_bytes == sum(path.stat().st_size for path in (place.folder / "mine").iterdir())
    vectors = place.registry.load("mine").embed_queries(["tea in the harbour"])
    assert vectors.shape == (1, 8)
    assert place.registry.spec("mine").fingerprint == record.fingerprint


def test_a_transformer_is_installed_from_links_and_a_tokenizer_of_another_is_refused(
    place: Place, tmp_path: Path
) -> None:
    tiny = build_tiny_model(tmp_path)
    (tiny / "picture.png").write_bytes(b"1")
    linked = tmp_path / "snapshot"
    linked.mkdir()
    for path in tiny.iterdir():
        (linked / path.name).symlink_to(path)
    facts = place.models.pull(str(linked))
    assert facts.name == "snapshot"
    files = [path for path in (place.folder / "snapshot").rglob("*") if path.is_file()]
    assert not any(path.is_symlink() for path in files)
    assert "picture.png" not in {path.name for path in files}
    assert facts.spec is not None
    assert facts.spec.fingerprint == place.registry.spec(str(tiny)).fingerprint, "the same files, the same vectors"
    tokenizer = json.loads((tiny / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["seldom"] = 4000
    (tiny / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(ModelError, match=r"tokenizer .* knows 4,001 tokens and the weights only 200") as caught:
        load_sentence_transformer(place.registry.spec(str(tiny)), tiny, threads=1, batch_tokens=64)
    assert caught.value.code == "model-unreadable"


def test_word_vectors_are_installed_from_their_published_file(place: Place, tmp_path: Path) -> None:
    words = [
        f"{word} " + " ".join(f"{(n * 7 + k) % 5 - 2}.5" for k in range(10)) for n, word in enumerate("abcdefghij")
    ]
    (tmp_path / "small.50d.txt").write_text("\n".join(words) + "\n")
    facts = place.models.pull(str(tmp_path / "small.50d.txt"), "glove-50", max_words=8)
    assert facts.spec is not None
    assert facts.spec.dim == 10
    assert place.models.verify("glove-50").ok
    (tmp_path / "junk.vec").write_bytes(b"\x80\x04pickle" * 100)
    with pytest.raises(NearfieldError):
        place.models.pull(str(tmp_path / "junk.vec"))
    assert place.visible() == {"glove-50", "glove-50.json"}


@pytest.mark.parametrize(
    "name", ["../up", "/etc", "a/b", "", ".hidden", "-x", "a" * 65, "default", "hub", "a.json", "a b", "é", "trainings"]
)
def test_names_that_are_none(place: Place, tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be the name of a model") as caught:
        place.models.pull(str(small_model(tmp_path / "source")), name)
    assert caught.value.code == "bad-model-name"
    assert place.visible() == set()


def test_a_built_in_model_is_not_replaced(place: Place, tmp_path: Path) -> None:
    for replace in (False, True):
        with pytest.raises(Conflict, match="built-in model") as caught:
            place.models.pull(str(small_model(tmp_path / f"source{replace}")), "hash", replace=replace)
        assert caught.value.code == "model-exists"


def _truncate(folder: Path) -> None:
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def _python(folder: Path) -> None:
    (folder / "modeling.py").write_text("import os")


def _pickle(folder: Path) -> None:
    (folder / "weights.safetensors").rename(folder / "pytorch_model.bin")


def _other_words(folder: Path) -> None:
    words = json.loads((folder / "vocabulary.json").read_text())
    (folder / "vocabulary.json").write_text(json.dumps([*words, "more"]))


def _manifest(folder: Path) -> None:
    (folder / "nearfield-model.json").write_text("{")


def _gone(folder: Path) -> None:
    (folder / "weights.safetensors").unlink()


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (_truncate, "model-changed"),
        (_python, "model-unsafe"),
        (_pickle, "model-unsafe"),
        (_other_words, "model-changed"),
        (_manifest, "model-unreadable"),
        (_gone, "model-missing"),
    ],
)
def test_a_broken_folder_is_refused_and_leaves_nothing(place: Place, tmp_path: Path, spoil: Any, code: str) -> None:
    source = small_model(tmp_path / "source")
    spoil(source)
    with pytest.raises(ModelError) as caught:
        place.models.pull(str(source), "mine")
    assert caught.value.code == code
    assert place.visible() == set()
    assert "mine" not in place.registry.names()


def test_what_is_no_model_at_all(place: Place, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="give a folder, a file of word vectors") as caught:
        place.models.pull(str(tmp_path / "nowhere"), "mine")
    assert caught.value.code == "model-missing"
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError) as caught:
        place.models.pull(str(tmp_path / "empty"), "mine")
    assert caught.value.code == "model-missing"


def test_weights_that_are_none_fail_when_they_are_tried(place: Place, tmp_path: Path) -> None:
    """Every file is as its manifest says, and the weights are seven bytes: only loading shows it."""
    source = small_model(tmp_path / "source")
    (source / "weights.safetensors").write_bytes(b"weights")
    manifest = json.loads((source / "nearfield-model.json").read_text())
    manifest["files"]["weights.safetensors"] = hashlib.sha256(b"weights").hexdigest()
    (source / "nearfield-model.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match="cannot be used") as caught:
        place.models.pull(str(source), "mine")
    assert caught.value.code == "model-unreadable"
    assert place.visible() == set()


def test_a_name_that_is_taken_is_only_replaced_when_asked(place: Place, tmp_path: Path) -> None:
    place.models.pull(str(small_model(tmp_path / "one")), "mine")
    before = place.registry.load("mine")
    other = small_model(tmp_path / "two", dim=12)
    with pytest.raises(Conflict, match="--replace") as caught:
        place.models.pull(str(other), "mine")
    assert caught.value.code == "model-exists"
    place.users.append(("docs", "mine"))
    with pytest.raises(Conflict, match="docs") as caught:
        place.models.pull(str(other), "mine", replace=True)
    assert caught.value.code == "model-in-use"
    assert place.registry.load("mine") is before
    place.users.clear()
    place.models.pull(str(other), "mine", replace=True)
    after = place.registry.load("mine")
    assert (before.spec.dim, after.spec.dim) == (8, 12), "what was loaded is not served for another model"
    assert after.spec.fingerprint == place.registry.spec("mine").fingerprint


def test_a_model_that_breaks_in_its_place_keeps_serving_as_it_was_loaded(place: Place, tmp_path: Path) -> None:
    place.models.pull(str(small_model(tmp_path / "one")), "mine")
    loaded = place.registry.load("mine")
    expected = loaded.embed_documents(["tea"])
    (place.folder / "mine" / "nearfield-model.json").write_text("{")
    (place.folder / "mine" / "litter.json").write_text("{")  # the folder's own time changes
    assert np.array_equal(place.registry.load("mine").embed_documents(["tea"]), expected)
    with pytest.raises(ModelError):
        place.registry.spec("mine")
    facts = place.models.describe("mine")
    assert facts.spec is None
    assert "cannot be used" in facts.problem


def test_remove(place: Place, tmp_path: Path) -> None:
    place.models.pull(str(small_model(tmp_path / "one")), "mine")
    place.users.append(("docs", "mine?dim=3"))
    with pytest.raises(Conflict, match="docs"):
        place.models.remove("mine")
    place.users.clear()
    place.models.choose("mine")
    with pytest.raises(Conflict, match="choose another default first"):
        place.models.remove("mine")
    place.models.choose("hash")
    place.models.remove("mine")
    assert place.visible() == {"default.json"}
    for name, kind in (("mine", NotFound), ("../mine", NotFound), ("hash", Conflict)):
        with pytest.raises(NearfieldError) as caught:
            place.models.remove(name)
        assert type(caught.value) is kind


def test_a_collection_that_comes_while_a_model_is_removed_keeps_it(place: Place, tmp_path: Path) -> None:
    place.models.pull(str(small_model(tmp_path / "one")), "mine")
    looks = 0

    def check() -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            raise Conflict("it is used now", code="model-in-use")

    with pytest.raises(Conflict):
        place.models.shelf.remove("mine", check)
    assert place.visible() == {"mine", "mine.json"}
    assert place.models.verify("mine").ok
