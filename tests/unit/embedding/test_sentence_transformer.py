from __future__ import annotations

import gc
import json
import shutil
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.embedding.registry import ModelRegistry
from services.embedding.spec import Role
from services.errors import ModelError
from tests.models import MINILM, TINY_MAX_TOKENS, build_tiny_model, canonical
from tests.models import torch_registry as registry

pytestmark = [pytest.mark.model, pytest.mark.xdist_group("model")]

TEXTS, VECTORS = canonical()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_model(tmp_path_factory.mktemp("model"))


def cosine_distance(left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    """The worst of the rows; one minus the cosine, in float64."""
    left, right = left.astype(np.float64), right.astype(np.float64)
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return float((1 - (left * right).sum(axis=1) / lengths).max())


def plain(folder: Path):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def minilm() -> Any:
    return registry().load(MINILM)


# -- MiniLM ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", list(Role))
def test_vectors_are_those_of_plain_sentence_transformers(role: Role) -> None:
    embed = minilm().embed_queries if role is Role.QUERY else minilm().embed_documents
    vectors = embed(TEXTS)
    assert cosine_distance(vectors, VECTORS) < 1e-5
    assert float(np.abs(vectors - VECTORS).max()) < 1e-5


def test_one_query_at_a_time_too() -> None:
    for text, vector in zip(TEXTS, VECTORS, strict=True):
        assert cosine_distance(minilm().embed_queries([text]), vector[None]) < 1e-5


@settings(max_examples=12)
@given(
    picked=st.lists(st.integers(0, len(TEXTS) - 1), min_size=1, max_size=12),
    batch_tokens=st.sampled_from([1, 60, 300, 5000]),
    streams=st.integers(1, 3),
)
def test_order_and_size_of_batches_do_not_change_a_vector(picked: list[int], batch_tokens: int, streams: int) -> None:
    embedder = minilm()
    before = embedder._batch_tokens, embedder._streams
    embedder._batch_tokens, embedder._streams = batch_tokens, streams
    try:
        vectors = embedder.embed_documents([TEXTS[position] for position in picked])
    finally:
        embedder._batch_tokens, embedder._streams = before
    assert float(np.abs(vectors - VECTORS[picked]).max()) < 1e-5


def test_meaning_beats_words() -> None:
    query = minilm().embed_queries(["shrink a file before sending it"])[0]
    passages = minilm().embed_documents(
        ["Compression compatible with the gzip program.", "Send a file to the printer.", "Read the tea leaves."]
    )
    assert int(np.argmax(passages @ query)) == 0


def test_the_length_of_a_text_is_counted_as_the_model_reads_it() -> None:
    embedder = minilm()
    assert embedder.special_tokens == 2
    assert embedder.tokens.count("How do I make a file smaller?") == 8
    assert embedder.tokens.count("word " * 5000) == 5000
    room = embedder.spec.max_tokens - embedder.special_tokens
    full, longer, shorter = ("word " * count for count in (room, room + 40, room - 1))
    vectors = embedder.embed_documents([full, longer, shorter])
    assert float(np.abs(vectors[0] - vectors[1]).max()) < 1e-6
    assert float(np.abs(vectors[0] - vectors[2]).max()) > 1e-6


def test_the_linear_layers_are_packed_and_the_reference_ones_are_not() -> None:
    from services.embedding.backends.packed_linear import can_pack

    if not can_pack():
        pytest.skip("this build of torch has no oneDNN")
    kinds = [type(module).__name__ for module in minilm()._model.modules()]
    assert kinds.count("PackedLinear") == 37
    assert "Linear" not in kinds


def test_a_loaded_model_does_not_slow_down_the_collector() -> None:
    minilm()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 100_000


def test_loading_asks_the_network_for_nothing(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    asked: list[object] = []

    def refuse(self: socket.socket, address: object) -> None:
        asked.append(address)
        raise OSError("no network in this test")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert ModelRegistry().load(MINILM).embed_queries(["a"]).shape == (1, 384)
    assert ModelRegistry().load(str(tiny)).embed_queries(["a"]).shape == (1, 12)
    assert asked == []


# -- a model from a folder: CLS, Dense, prompts, no Normalize -----------------------------------------------------


def test_prompts_are_put_before_by_the_module(tiny: Path) -> None:
    embedder, reference = registry().load(str(tiny)), plain(tiny)
    texts = ["the thing", "a longer text of the kind " * 3, "", "sing"]
    assert (embedder.spec.query_prompt, embedder.spec.document_prompt) == ("ask: ", "tell: ")
    assert cosine_distance(embedder.embed_queries(texts), reference.encode_query(texts)) < 1e-5
    assert cosine_distance(embedder.embed_documents(texts), reference.encode_document(texts)) < 1e-5
    assert cosine_distance(embedder.embed_queries(texts[:1]), embedder.embed_documents(texts[:1])) > 1e-4


def test_a_prompt_takes_room_from_a_long_text(tiny: Path) -> None:
    embedder, reference = registry().load(str(tiny)), plain(tiny)
    long = ["the " * (TINY_MAX_TOKENS * 2)]
    assert cosine_distance(embedder.embed_documents(long * 3), reference.encode_document(long * 3)) < 1e-5


def test_a_cut_dimension_is_cut_before_it_is_normalised(tiny: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny, tmp_path / "cut")
    settings_file = folder / "config_sentence_transformers.json"
    settings_file.write_text(settings_file.read_text().replace('"prompts"', '"truncate_dim": 5, "prompts"'))
    vectors = ModelRegistry().load(str(folder)).embed_documents(["one", "two"])
    assert vectors.shape == (2, 5)
    assert cosine_distance(vectors, plain(folder).encode_document(["one", "two"])) < 1e-5


def refusal(folder: Path) -> ModelError:
    with pytest.raises(ModelError) as refused:
        ModelRegistry().load(str(folder))
    assert str(folder) in refused.value.message
    return refused.value


@pytest.mark.parametrize("name", ["model.safetensors", "2_Dense/model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("damage", ["cut", "empty", "noise"])
def test_a_damaged_file_is_refused(tiny: Path, tmp_path: Path, name: str, damage: str) -> None:
    path = shutil.copytree(tiny, tmp_path / "model") / name
    content = path.read_bytes()
    path.write_bytes({"cut": content[: len(content) // 2], "empty": b"", "noise": b"\xff" * 64}[damage])
    assert refusal(tmp_path / "model").code == "model-unreadable"


def test_weights_that_lack_tensors_are_refused(tiny: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(tiny, tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    without_pooler = {name: tensor for name, tensor in tensors.items() if "pooler" not in name}
    save_file(without_pooler, folder / "model.safetensors", metadata={"format": "pt"})
    assert ModelRegistry().load(str(folder)).embed_queries(["a"]).shape == (1, 12)
    del without_pooler["encoder.layer.1.output.LayerNorm.weight"]
    save_file(without_pooler, folder / "model.safetensors", metadata={"format": "pt"})
    error = refusal(folder)
    assert error.code == "model-unreadable"
    assert "encoder.layer.1.output.LayerNorm.weight" in error.message


def test_a_configuration_that_promises_another_shape_is_refused(tiny: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny, tmp_path / "model")
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps(modules[:2]))
    config = folder / "1_Pooling" / "config.json"
    config.write_text(config.read_text().replace("32", "48"))
    error = refusal(folder)
    assert error.code == "model-changed"
    assert "48" in error.message


def test_a_limit_beyond_the_models_positions_is_refused(tiny: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny, tmp_path / "model")
    config = folder / "sentence_bert_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "max_seq_length": 100}))
    error = refusal(folder)
    assert error.code == "model-changed"
    assert "100 tokens" in error.message


@pytest.mark.parametrize("how", ["raises", "changes vectors"])
def test_packing_that_goes_wrong_leaves_the_plain_model(tiny: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    def spoil(root) -> None:
        if how == "raises":
            raise AttributeError("'PackedLinear' object has no attribute 'in_features'")
        for parameter in root.parameters():
            parameter.data *= 1.5

    monkeypatch.setattr("services.embedding.backends.packed_linear.can_pack", lambda: True)
    monkeypatch.setattr("services.embedding.backends.packed_linear.pack_linears", spoil)
    vectors = ModelRegistry().load(str(tiny)).embed_documents(["one text", "and another"])
    monkeypatch.undo()
    assert cosine_distance(vectors, registry().load(str(tiny)).embed_documents(["one text", "and another"])) < 1e-5
