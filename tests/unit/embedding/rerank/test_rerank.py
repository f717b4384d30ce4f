"""Rerankers: the three families score as their library does, whatever stands around; owners; what is refused."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from services.embedding.rerank.folder import read_reranker_spec
from services.embedding.rerank.loading import LibraryReranker, load_reranker
from services.embedding.rerank.options import parse_rerankers
from services.embedding.rerank.owner import RerankerOwner
from services.embedding.rerank.protocol import RerankerSpec
from services.embedding.rerank.registry import RerankerRegistry
from services.embedding.resolving import read_spec
from services.errors import InvalidInput, ModelError, Overloaded, Unavailable
from tests.unit.embedding.folders import put
from tests.unit.embedding.rerank import models

pytestmark = [pytest.mark.model, pytest.mark.xdist_group("model")]

QUERY = "the tea leaf"
TEXTS = ["the tea", "a longer one with leaf and water in it", "bean " * 40, "", "q", "leaf tea the", "?"]
BUILDERS: dict[str, Callable[[Path], Path]] = {
    "cross-encoder": models.build_cross_encoder,
    "colbert": models.build_colbert,
    "splade": models.build_splade,
}


def by_library(family: str, folder: Path) -> np.ndarray:
    from sentence_transformers import CrossEncoder, MultiVectorEncoder, SparseEncoder

    if family == "cross-encoder":
        return CrossEncoder(str(folder), device="cpu").predict([(QUERY, text) for text in TEXTS])
    if family == "splade":
        sparse = SparseEncoder(str(folder), device="cpu")
        sides = [sparse.encode(each, convert_to_sparse_tensor=False) for each in ([QUERY], TEXTS)]
        return sparse.similarity(*sides)[0].numpy()
    model = MultiVectorEncoder(str(folder), device="cpu")
    return model.similarity(model.encode_query([QUERY]), model.encode_document(TEXTS))[0].numpy()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {family: build(tmp_path_factory.mktemp(family)) for family, build in BUILDERS.items()}


@pytest.mark.parametrize("family", BUILDERS)
def test_scores_are_the_librarys_and_each_texts_own(folders: dict[str, Path], family: str) -> None:
    folder = folders[family]
    spec = read_reranker_spec("mine", folder)
    assert (spec.name, spec.family, spec.licence) == ("mine", family, "unknown")
    reranker = load_reranker(spec, folder)
    scores = reranker.scores(QUERY, TEXTS, lambda: None)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, by_library(family, folder), rtol=1e-4, atol=1e-5)
    assert len(set(np.round(scores, 5))) > len(TEXTS) - 2
    alone = [reranker.scores(QUERY, [text], lambda: None)[0] for text in TEXTS]
    np.testing.assert_allclose(scores, alone, rtol=1e-4, atol=1e-5)
    assert reranker.scores(QUERY, [], lambda: None).shape == (0,)


def test_texts_go_through_in_batches_of_the_budget_and_can_be_stopped(folders: dict[str, Path]) -> None:
    folder = folders["cross-encoder"]
    loaded = load_reranker(read_reranker_spec("mine", folder), folder)
    assert isinstance(loaded, LibraryReranker)
    small = type(loaded)(loaded.spec, loaded._model, batch_tokens=40)
    ticks = []
    scores = small.scores(QUERY, TEXTS, lambda: ticks.append(1))
    assert 2 < len(ticks) < len(TEXTS) + 1
    np.testing.assert_allclose(scores, loaded.scores(QUERY, TEXTS, lambda: None), rtol=1e-4, atol=1e-5)

    def stop() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        small.scores(QUERY, TEXTS, stop)


@pytest.fixture
def cross(tmp_path: Path) -> Path:
    return models.build_cross_encoder(tmp_path)


def _change(folder: Path, name: str, **members: object) -> None:
    put(folder, name, json.loads((folder / name).read_text()) | members)


@pytest.mark.parametrize(
    ("break_it", "code", "words"),
    [
        (lambda f: (f / "x.py").write_text(""), "model-unsafe", "x.py"),
        (lambda f: (f / "pytorch_model.bin").write_bytes(b""), "model-unsafe", "pytorch_model.bin"),
        (lambda f: (f / "model.safetensors").unlink(), "model-missing", "safetensors"),
        (lambda f: _change(f, "config.json", auto_map={"AutoModel": "x.Y"}), "model-unsupported", "code of its own"),
        (lambda f: _change(f, "config.json", id2label={"0": "a", "1": "b"}), "model-unsupported", "2 labels"),
        (
            lambda f: _change(f, "config.json", sentence_transformers={"activation_fn": "torch.hub.list"}),
            "model-unsupported",
            "torch.hub.list",
        ),
        (lambda f: put(f, "modules.json", [{"type": "evil.Step", "path": ""}]), "model-unsupported", "evil.Step"),
        (
            lambda f: put(
                f,
                "modules.json",
                [{"type": "sentence_transformers.base.modules.transformer.Transformer", "path": ".."}],
            ),
            "model-unsafe",
            "leads out",
        ),
        (lambda f: put(f, "modules.json", [7]), "model-unreadable", "wrong value"),
        (lambda f: put(f, "modules.json", "{"), "model-unreadable", "modules.json"),
    ],
)
def test_a_folder_that_may_not_be_loaded_is_refused_unread(
    cross: Path, break_it: Callable[[Path], object], code: str, words: str
) -> None:
    read_reranker_spec("mine", cross)
    break_it(cross)
    with pytest.raises(ModelError, match=words) as refused:
        read_reranker_spec("mine", cross)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("family", "tensor"),
    [
        ("cross-encoder", "classifier.weight"),
        ("splade", "cls.predictions.transform.dense.weight"),
        ("colbert", "encoder.layer.0.output.dense.weight"),
    ],
)
def test_weights_that_lack_a_tensor_are_refused(tmp_path: Path, family: str, tensor: str) -> None:
    from safetensors.torch import load_file, save_file

    folder = BUILDERS[family](tmp_path)
    tensors = load_file(folder / "model.safetensors")
    del tensors[tensor]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="lack 1 tensors"):
        load_reranker(read_reranker_spec("mine", folder), folder)


def test_a_reranker_is_no_embedding_model_and_says_so(tmp_path: Path) -> None:
    models.build_cross_encoder(tmp_path)
    with pytest.raises(ModelError, match="NEARFIELD_RERANKERS"):
        read_spec("m", tmp_path / "base", source="m")


def test_the_setting_names_installed_models_and_folders() -> None:
    assert parse_rerankers(" one, /models/two ,") == {"one": Path("one"), "two": Path("/models/two")}
    for bad in ("/", "../up", "a b", "one,/x/one", "rel/ative"):
        with pytest.raises(ValueError, match="reranker"):
            parse_rerankers(bad)


def test_the_registry_loads_once_and_knows_what_it_offers(folders: dict[str, Path]) -> None:
    folder = folders["cross-encoder"]
    registry = RerankerRegistry({"mine": Path(folder.name), "gone": Path("gone")}, folder.parent)
    assert registry.names() == ("mine", "gone")
    assert not registry.loaded("mine")
    scores = registry.scores("mine", QUERY, TEXTS, 60.0)
    np.testing.assert_allclose(scores, by_library("cross-encoder", folder), rtol=1e-4, atol=1e-5)
    assert registry.loaded("mine")
    with pytest.raises(ModelError, match="no model folder"):
        registry.scores("gone", QUERY, TEXTS, 60.0)
    with pytest.raises(InvalidInput, match="offered are mine, gone") as refused:
        registry.scores("other", QUERY, TEXTS, 60.0)
    assert (refused.value.code, refused.value.pointer) == ("unknown-reranker", "/rerank")


class Held:
    """A reranker that waits to be let go."""

    spec = RerankerSpec("held", "cross-encoder", "0" * 32, "unknown")

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun = threading.Event()
        self.asked: list[str] = []

    def scores(self, query: str, texts, tick) -> np.ndarray:
        self.asked.append(query)
        self.begun.set()
        while not self.go.wait(0.01):
            tick()
        if query == "bad":
            raise ZeroDivisionError
        return np.arange(len(texts), dtype=np.float32)


def test_an_owner_gives_up_what_nobody_waits_for_and_refuses_what_is_too_much() -> None:
    held = Held()
    owner = RerankerOwner("held", lambda: held, limit=1)
    with pytest.raises(Unavailable, match="rerank_depth") as late:
        owner.scores("late", ["a"], 0.1)
    assert late.value.code == "rerank-timeout"
    answers: list[object] = []
    held.begun.clear()
    first = threading.Thread(target=lambda: answers.append(owner.scores("first", ["a", "b"], 30.0)))
    first.start()
    assert held.begun.wait(10)
    second = threading.Thread(target=lambda: answers.append(owner.scores("second", ["a"], 30.0)))
    second.start()
    while not owner._waiting.full():
        threading.Event().wait(0.01)
    with pytest.raises(Overloaded, match="that is the limit"):
        owner.scores("third", ["a"], 30.0)
    held.go.set()
    first.join(10)
    second.join(10)
    assert len(answers) == 2
    with pytest.raises(Unavailable, match="ZeroDivisionError") as failed:
        owner.scores("bad", ["a"], 30.0)
    assert failed.value.code == "rerank-failed"
    assert owner.scores("after", ["a"], 30.0).shape == (1,)
    assert held.asked == ["late", "first", "second", "bad", "after"]
