"""``NAME?dim=N``: the first numbers of a model's vectors."""

from __future__ import annotations

import numpy as np
import pytest

from services.embedding.registry import ModelRegistry
from services.embedding.truncated import TruncatedEmbedder
from services.errors import ModelError

TEXTS = ["apple cake", "?", "", "the first numbers say most"]


def test_first_numbers_of_length_one() -> None:
    registry = ModelRegistry()
    cut, whole = registry.load("hash?dim=16"), registry.load("hash")
    vectors = whole.embed_documents(TEXTS)[:, :16]
    expected = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(cut.embed_documents(TEXTS), expected, atol=1e-6)
    np.testing.assert_allclose(cut.embed_queries(TEXTS), expected, atol=1e-6)
    assert registry.load("hash?dim=16") is cut
    assert "quality falls" in (registry.runtime("hash?dim=16") or whole.runtime).why


def test_the_whole_model_is_loaded_once() -> None:
    registry = ModelRegistry()
    cut = registry.load("hash?dim=16")
    assert isinstance(cut, TruncatedEmbedder)
    assert cut.whole is registry.load("hash")


def test_a_cut_model_is_another_model() -> None:
    registry = ModelRegistry()
    specs = [registry.spec(name) for name in ("hash", "hash?dim=16", "hash?dim=32")]
    assert len({spec.fingerprint for spec in specs}) == 3
    assert [spec.dim for spec in specs] == [64, 16, 32]
    assert specs[1].name == "hash?dim=16"
    assert registry.spec(specs[1].name) == specs[1]
    assert registry.load("hash?dim=16").spec == specs[1]


@pytest.mark.parametrize("dim", ["0", "65", "999999999"])
def test_more_numbers_than_there_are_or_none_are_refused(dim: str) -> None:
    with pytest.raises(ModelError, match="1 to 64") as refused:
        ModelRegistry().spec(f"hash?dim={dim}")
    assert refused.value.code == "model-unsupported"


@pytest.mark.parametrize("name", ["hash?dim=", "hash?dim=-1", "hash?dim=1.5", "hash?size=16", "?dim=16", "hush?dim=16"])
def test_other_endings_are_no_model(name: str) -> None:
    with pytest.raises(ModelError) as refused:
        ModelRegistry().load(name)
    assert refused.value.code == "unknown-model"
