"""What every backend promises. The suite runs on each built-in model and on a folder model by itself."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from services.embedding.builtin import BUILTIN_SPECS, TRANSFORMER
from services.embedding.options import LoadOptions
from services.embedding.protocol import Embedder
from services.embedding.registry import ModelRegistry
from services.embedding.vectors import check_vectors
from services.errors import InvalidInput
from tests.families import BUILDERS, build
from tests.models import registry, shared_cache

TEXTS = [
    "compress a file before it is sent",
    "make the file smaller, then send it",
    "a recipe for apple cake with cinnamon",
    "",
    "  \n\t ",
    "?",
    "Zürich 東京 \U0001f680",
    "word " * 700,
    "one long line without a blank" + "x" * 3000,
    "a recipe for apple cake with cinnamon",
]


def _parameter(name: str) -> object:
    needs_torch = BUILDERS[name][1] if name in BUILDERS else BUILTIN_SPECS[name].family == TRANSFORMER
    marks = [pytest.mark.model, pytest.mark.xdist_group("model")] if needs_torch else []
    return pytest.param(name, marks=marks, id=name.replace(" ", "-"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """A model of a family by what it is called in ``BUILDERS``, built once."""
    names: dict[str, str] = {}

    def get(name: str) -> str:
        if name not in names:
            names[name] = build(name, tmp_path_factory.mktemp("model"))
        return names[name]

    return get


_BUILT_IN = tuple(name for name, spec in BUILTIN_SPECS.items() if "text" in spec.modalities)


@pytest.fixture(params=[_parameter(name) for name in (*_BUILT_IN, *BUILDERS)])
def embedder(request: pytest.FixtureRequest, built: Callable[[str], str]) -> Embedder:
    return registry().load(built(request.param) if request.param in BUILDERS else request.param)


def _furthest(left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    return float(np.abs(left - right).max())


def test_shape_type_and_length_of_the_vectors(embedder: Embedder) -> None:
    for vectors in (embedder.embed_documents(TEXTS), embedder.embed_queries(TEXTS)):
        assert vectors.shape == (len(TEXTS), embedder.spec.dim)
        assert vectors.dtype == np.float32
        check_vectors(vectors, embedder.spec.dim)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_no_texts_give_no_rows(embedder: Embedder) -> None:
    assert embedder.embed_documents([]).shape == (0, embedder.spec.dim)
    assert embedder.embed_queries(()).shape == (0, embedder.spec.dim)


def test_row_i_belongs_to_text_i_whatever_stands_around_it(embedder: Embedder) -> None:
    together = embedder.embed_documents(TEXTS)
    alone = np.concatenate([embedder.embed_documents([text]) for text in TEXTS])
    backwards = embedder.embed_documents(TEXTS[::-1])[::-1]
    assert _furthest(together, alone) < embedder.runtime.tolerance
    assert _furthest(together, backwards) < embedder.runtime.tolerance
    assert _furthest(together[2], together[9]) < embedder.runtime.tolerance
    assert _furthest(together[0], together[2]) > 1e-3


def test_loading_again_gives_the_same_vectors(embedder: Embedder) -> None:
    again = ModelRegistry(LoadOptions(threads=1, batch_tokens=64, cache_dir=shared_cache())).load(embedder.spec.name)
    assert again is not embedder
    assert again.spec == embedder.spec
    assert _furthest(again.embed_documents(TEXTS), embedder.embed_documents(TEXTS)) < embedder.runtime.tolerance


def test_what_lies_beyond_the_limit_does_not_count(embedder: Embedder) -> None:
    long = "word " * (embedder.spec.max_tokens + 50)
    vectors = embedder.embed_documents([long, long + "something else entirely"])
    assert _furthest(vectors[0], vectors[1]) < embedder.runtime.tolerance
    assert embedder.tokens.count(long) >= embedder.spec.max_tokens


def test_tokens_are_counted_without_the_limit_and_the_special_ones(embedder: Embedder) -> None:
    one = embedder.tokens.count("the")
    assert one == 1
    assert embedder.tokens.count("") == 0
    assert embedder.tokens.count("the " * 2000) == 2000
    assert embedder.special_tokens >= 0
    if embedder.tokens.fast is not None:
        assert embedder.tokens.fast.truncation is None
        assert embedder.tokens.fast.padding is None


def test_half_a_surrogate_pair_is_refused_by_position(embedder: Embedder) -> None:
    with pytest.raises(InvalidInput, match=r"text 1 .*character 2") as refused:
        embedder.embed_queries(["fine", "no\ud83d"])
    assert refused.value.code == "bad-text"


def test_one_string_is_not_a_list_of_letters(embedder: Embedder) -> None:
    with pytest.raises(TypeError):
        embedder.embed_documents("abc")


def test_threads_may_call_at_once(embedder: Embedder) -> None:
    expected = embedder.embed_documents(TEXTS)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda turn: embedder.embed_documents(TEXTS[turn:] + TEXTS[:turn]), range(8)))
    for turn, vectors in enumerate(answers):
        assert _furthest(np.roll(vectors, turn, axis=0), expected) < embedder.runtime.tolerance
