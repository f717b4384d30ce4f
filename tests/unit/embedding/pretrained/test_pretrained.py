"""Bare transformer folders: what their spec says, that vectors are transformers' own, pooled, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from services.embedding.pretrained.kinds import KINDS
from services.embedding.protocol import Embedder
from services.embedding.registry import ModelRegistry
from services.embedding.resolving import read_spec
from services.errors import ModelError
from tests.unit.embedding.folders import put
from tests.unit.embedding.pretrained import models

pytestmark = [pytest.mark.model, pytest.mark.xdist_group("model")]

TEXTS = ["the tea", "a longer one with leaves in it", "bean " * 40, "q"]
Build = Callable[[Path], str]


def own_states(folder: str, model_class: str, text: str) -> NDArray[np.float32]:
    """Token vectors of one text by transformers alone, without padding: shape (tokens, dim)."""
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = getattr(transformers, model_class).from_pretrained(folder, dtype=torch.float32).eval()
    ids = tokenizer(text, truncation=True, max_length=models.MAX_TOKENS)["input_ids"]
    if model_class == "GPT2Model":
        ids = [*ids[: models.MAX_TOKENS - 1], tokenizer.eos_token_id]
    with torch.inference_mode():
        return model(input_ids=torch.tensor([ids])).last_hidden_state[0].numpy()


def unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    return vector / np.linalg.norm(vector)


POOLED = {
    "mean": lambda states: states.mean(axis=0),
    "cls": lambda states: states[0],
    "lasttoken": lambda states: states[-1],
    "weightedmean": lambda states: np.average(states, axis=0, weights=np.arange(1, len(states) + 1)),
}


@pytest.mark.parametrize(
    ("build", "model_class", "pooling"),
    [
        (models.build_bert, "BertModel", "mean"),
        (models.build_t5, "T5EncoderModel", "mean"),
        (models.build_gpt2, "GPT2Model", "lasttoken"),
    ],
)
def test_vectors_are_transformers_own_token_vectors_pooled(
    tmp_path: Path, build: Build, model_class: str, pooling: str
) -> None:
    name = build(tmp_path)
    for asked in ("", *POOLED):
        if asked:
            put(tmp_path, "nearfield-pooling.json", {"pooling": asked})
        embedder = ModelRegistry().load(name)
        assert embedder.spec.pooling == (asked or pooling)
        assert (embedder.spec.family, embedder.spec.dim, embedder.spec.max_tokens) == ("transformer", 32, 24)
        for text, vector in zip(TEXTS, embedder.embed_documents(TEXTS), strict=True):
            expected = unit(POOLED[asked or pooling](own_states(name, model_class, text)))
            np.testing.assert_allclose(vector, expected, atol=2e-6)


def _whatever_stands_around(embedder: Embedder, texts: list[str]) -> None:
    alone = np.concatenate([embedder.embed_documents([text]) for text in texts])
    np.testing.assert_allclose(embedder.embed_documents(texts), alone, atol=1e-5)


@pytest.mark.parametrize("build", [models.build_steps_t5, models.build_steps_gpt2])
def test_sentence_transformers_folders_with_such_backbones(tmp_path: Path, build: Build) -> None:
    from sentence_transformers import SentenceTransformer

    name = build(tmp_path)
    embedder = ModelRegistry().load(name)
    expected = SentenceTransformer(name, device="cpu").encode(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(embedder.embed_documents(TEXTS), expected, atol=2e-6)
    _whatever_stands_around(embedder, [*TEXTS, "", "  "])


def test_a_tokenizer_that_pads_and_cuts_on_the_left_changes_nothing(tmp_path: Path) -> None:
    name = models.build_gpt2(tmp_path)
    before = ModelRegistry().load(name).embed_documents(TEXTS)
    path = tmp_path / "tokenizer_config.json"
    put(tmp_path, path.name, json.loads(path.read_text()) | {"padding_side": "left", "truncation_side": "left"})
    embedder = ModelRegistry().load(name)
    np.testing.assert_allclose(embedder.embed_documents(TEXTS), before, atol=1e-6)
    _whatever_stands_around(embedder, [*TEXTS, ""])


def test_prompts_and_a_smaller_limit_come_from_the_folder(tmp_path: Path) -> None:
    name = models.build_bert(tmp_path)
    plain = ModelRegistry().load(name)
    put(tmp_path, "nearfield-pooling.json", {"query_prompt": "water ", "max_tokens": 6})
    embedder = ModelRegistry().load(name)
    assert embedder.spec.fingerprint != plain.spec.fingerprint
    assert embedder.spec.max_tokens == 6
    np.testing.assert_allclose(embedder.embed_queries(["tea"]), plain.embed_documents(["water tea"]), atol=1e-6)
    np.testing.assert_allclose(embedder.embed_documents(["tea " * 9]), plain.embed_documents(["tea " * 4]), atol=1e-6)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"pooling": "max"}, "allowed are mean, cls, lasttoken, weightedmean"),
        ({"pool": "mean"}, "it has a member 'pool'"),
        ({"max_tokens": 25}, "positions for 24"),
        ({"max_tokens": 0}, "allowed are 1 to"),
        ({"max_tokens": True}, "must be a whole number"),
        ({"query_prompt": 7}, "must be a text"),
        (["mean"], "does not hold a JSON object"),
    ],
)
def test_overrides_that_cannot_be_used_are_named(bert: Path, overrides: object, words: str) -> None:
    put(bert, "nearfield-pooling.json", overrides)
    with pytest.raises(ModelError, match=words) as refused:
        read_spec("m", bert, source="m")
    assert refused.value.code == "model-unreadable"
    assert "nearfield-pooling.json" in refused.value.message


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    return Path(models.build_bert(tmp_path))


def _change_config(folder: Path, **members: object) -> None:
    put(folder, "config.json", json.loads((folder / "config.json").read_text()) | members)


@pytest.mark.parametrize(
    ("break_it", "code", "words"),
    [
        (lambda f: _change_config(f, model_type="squeezebert9"), "model-unsupported", "decoders gemma"),
        (lambda f: _change_config(f, auto_map={"AutoModel": "x.Y"}), "model-unsupported", "code of its own"),
        (lambda f: _change_config(f, hidden_size=None), "model-unreadable", "how many numbers"),
        (lambda f: (f / "tokenizer.json").unlink(), "model-missing", "tokenizer"),
        (lambda f: (f / "model.safetensors").unlink(), "model-missing", "safetensors"),
        (lambda f: (f / "x.py").write_text(""), "model-unsafe", "x.py"),
    ],
)
def test_a_folder_that_is_not_whole_is_refused_unread(
    bert: Path, break_it: Callable[[Path], object], code: str, words: str
) -> None:
    break_it(bert)
    with pytest.raises(ModelError, match=words) as refused:
        read_spec("m", bert, source="m")
    assert refused.value.code == code


def test_weights_that_lack_a_tensor_are_refused(bert: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(bert / "model.safetensors")
    del tensors["encoder.layer.1.output.dense.weight"]
    save_file(tensors, bert / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="lack 1 tensors") as refused:
        ModelRegistry().load(str(bert))
    assert refused.value.code == "model-unreadable"


def test_a_tokenizer_of_another_model_is_refused(bert: Path) -> None:
    models.byte_pieces().save_pretrained(bert)
    with pytest.raises(ModelError, match="two different models"):
        ModelRegistry().load(str(bert))


def test_a_decoder_whose_texts_cannot_end_is_refused(tmp_path: Path) -> None:
    name = models.build_gpt2(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    put(tmp_path, path.name, json.loads(path.read_text()) | {"eos_token": None})
    with pytest.raises(ModelError, match="no token that ends a text"):
        ModelRegistry().load(name)


def test_positions_that_begin_after_the_padding_are_not_counted(bert: Path) -> None:
    _change_config(bert, model_type="roberta", pad_token_id=1)
    assert read_spec("m", bert, source="m").max_tokens == models.MAX_TOKENS - 2


def test_each_kind_is_one_of_transformers_itself_and_of_one_kind_only() -> None:
    from transformers import CONFIG_MAPPING

    types = [name for kind in KINDS for name in kind.types]
    assert len(types) == len(set(types))
    assert [name for name in types if name not in CONFIG_MAPPING] == []
    assert {kind.name: kind.pooling for kind in KINDS} == {
        "encoder": "mean",
        "T5 encoder": "mean",
        "decoder": "lasttoken",
    }


def test_a_model_without_any_limit_gets_one(tmp_path: Path) -> None:
    models.build_t5(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    put(tmp_path, path.name, json.loads(path.read_text()) | {"model_max_length": 1e30})
    assert read_spec("m", tmp_path, source="m").max_tokens == 512
