"""Counts of words and n-grams, held against scikit-learn's own."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.preprocessing import normalize

from services.embedding.classic.analysis import ngrams
from services.embedding.families import Setting, trainer_of
from services.embedding.own_folder import load_own_folder
from services.embedding.protocol import Embedder
from services.embedding.registry import ModelRegistry
from services.embedding.training.decomposition import truncated_svd
from services.embedding.training.texts import Pulse, count_terms
from services.embedding.words import folded_words
from services.errors import InvalidInput, ModelError
from tests.word_models import SMALL, corpus, train

CLASSIC = ["one-hot", "bag-of-words", "tf-idf", "n-grams"]
PROBES = [
    "the harbour at night, the Harbour again",
    "a violin and an apple cake",
    "Smaller FILE smaller line unknownword",
]


def vectorizer(family: str, vocabulary: list[str]) -> CountVectorizer:
    """scikit-learn's way to the same counts; n-grams by its own analyzer."""
    rows = {word: row for row, word in enumerate(vocabulary)}
    if family in ("one-hot", "bag-of-words"):
        return CountVectorizer(analyzer=folded_words, vocabulary=rows, binary=family == "one-hot", dtype=np.float64)
    if family == "tf-idf":
        return TfidfVectorizer(analyzer=folded_words, vocabulary=rows, sublinear_tf=True, smooth_idf=True)
    return TfidfVectorizer(
        analyzer="char_wb", ngram_range=(3, 5), lowercase=False, vocabulary=rows, sublinear_tf=True,
        preprocessor=lambda text: " ".join(folded_words(text)),
    )  # fmt: skip


@pytest.mark.parametrize("family", CLASSIC)
def test_the_folder_gives_what_scikit_learn_gives(family: str, tmp_path: Path) -> None:
    folder = train(family, tmp_path)
    _, tensors, vocabulary = load_own_folder(folder)
    reference = vectorizer(family, vocabulary)
    reference.fit(corpus())
    expected = normalize(normalize(reference.transform(PROBES)) @ tensors["projection"].astype(np.float64))
    found = ModelRegistry().load(str(folder)).embed_documents(PROBES)
    assert np.abs(found - expected).max() < 1e-6


@pytest.mark.parametrize("family", ["tf-idf", "n-grams"])
def test_the_topics_are_those_of_truncated_svd(family: str, tmp_path: Path) -> None:
    _, tensors, vocabulary = load_own_folder(train(family, tmp_path, {"reduction": "lsa"}))
    matrix = vectorizer(family, vocabulary).fit_transform(corpus())
    exact = TruncatedSVD(n_components=24, algorithm="arpack", random_state=0).fit(matrix)
    kept = np.linalg.norm(matrix @ tensors["projection"]) ** 2
    assert kept == pytest.approx(float((exact.singular_values_**2).sum()), rel=0.002)
    np.testing.assert_allclose(tensors["projection"].T @ tensors["projection"], np.eye(24), atol=1e-4)


def test_random_signs_keep_the_geometry_of_the_family(tmp_path: Path) -> None:
    folder = train("bag-of-words", tmp_path, {"dim": 2048})
    _, _, vocabulary = load_own_folder(folder)
    exact = normalize(vectorizer("bag-of-words", vocabulary).transform(corpus()))
    cosines = (exact @ exact.T).toarray()
    vectors = ModelRegistry().load(str(folder)).embed_documents(corpus())
    assert np.abs(vectors @ vectors.T - cosines).max() < 0.13
    assert np.abs(vectors @ vectors.T - cosines).mean() < 0.03


def test_a_typo_costs_n_grams_little_and_words_everything(tmp_path: Path) -> None:
    right, wrong, other = "orchestra", "orchestre", "cinnamon"
    for family, least, most in (("n-grams", 0.5, 1.0), ("tf-idf", -1.0, 0.4)):
        embedder = ModelRegistry().load(str(train(family, tmp_path / family, {"min_df": 1})))
        vectors = embedder.embed_queries([right, wrong, other])
        assert least < float(vectors[0] @ vectors[1]) < most
        assert float(vectors[0] @ vectors[2]) < 0.5


def test_n_grams_are_those_of_a_framed_word() -> None:
    assert list(ngrams("ab", 3, 5)) == [" ab", "ab ", " ab "]
    assert list(ngrams("a", 5, 6)) == [" a "]


@pytest.mark.parametrize("family", [*SMALL])
def test_training_again_gives_the_same_bytes(family: str, tmp_path: Path) -> None:
    first, second = train(family, tmp_path / "a"), train(family, tmp_path / "b")
    assert {file.name: file.read_bytes() for file in first.iterdir()} == {
        file.name: file.read_bytes() for file in second.iterdir()
    }


@pytest.mark.parametrize("family", [*SMALL])
def test_texts_about_one_thing_are_nearer_than_others(family: str, tmp_path: Path) -> None:
    embedder: Embedder = ModelRegistry().load(str(train(family, tmp_path)))
    texts = corpus(40)
    vectors = embedder.embed_documents(texts)
    same = np.arange(len(texts))[:, None] % 4 == np.arange(len(texts)) % 4
    cosines = vectors @ vectors.T
    off = ~np.eye(len(texts), dtype=bool)
    assert cosines[same & off].mean() > cosines[~same].mean() + 0.15


@pytest.mark.parametrize(
    ("family", "settings", "words"),
    [
        ("tf-idf", {"dims": 64}, "did you mean 'dim'"),
        ("tf-idf", {"dim": 5}, "'dim' was '5', allowed is a whole number from 8 to 4,096; leave it out for 512"),
        ("tf-idf", {"dim": 64.0}, "whole number"),
        ("tf-idf", {"dim": True}, "whole number"),
        ("tf-idf", {"max_df": "all"}, "a number from 0.01 to 1"),
        ("tf-idf", {"max_df": float("nan")}, "a number from 0.01 to 1"),
        ("one-hot", {"reduction": "pca"}, "'projection' or 'lsa'"),
        ("n-grams", {"least_gram": 6}, "set least_gram to at most most_gram"),
        ("tf-idf", {"min_df": 1000}, "no word or n-gram is in at least 1000"),
        ("co-occurrence", {"min_count": 100_000}, "0 words occur at least 100000 times"),
        ("word2vec", {"sg": 2}, "whole number from 0 to 1"),
        ("fasttext", {"least_gram": 6, "most_gram": 3}, "set least_gram to at most most_gram"),
        ("glove", {"x_max": 0}, "a number from 0.1"),
    ],
)
def test_settings_out_of_range_are_refused_in_words(
    family: str, settings: Mapping[str, Setting], words: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput) as refused:
        train(family, tmp_path, settings)
    assert refused.value.code == "bad-training"
    assert words in refused.value.message
    assert list(tmp_path.iterdir()) == []


def test_the_dimension_shrinks_to_what_the_texts_have(tmp_path: Path) -> None:
    trainer_of("tf-idf")(corpus(20), {"dim": 512, "min_df": 1}, tmp_path, lambda: None)
    spec = ModelRegistry().spec(str(tmp_path))
    assert spec.dim == 20
    assert "512 numbers asked for but the texts differ in 20 ways" in spec.source


@pytest.mark.parametrize("texts", [[], [""], ["?"] * 30, ["the same words again"] * 30])
@pytest.mark.parametrize("family", ["tf-idf", "glove", "word2vec"])
def test_too_little_text_is_refused(family: str, texts: list[str], tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        trainer_of(family)(texts, {"min_df": 1} if family == "tf-idf" else {}, tmp_path, lambda: None)
    assert refused.value.code == "bad-training"


class Stop(Exception):
    pass


@pytest.mark.parametrize("family", [*SMALL])
def test_a_tick_that_raises_ends_the_training(family: str, tmp_path: Path) -> None:
    left = [1]

    def tick() -> None:
        if not left:
            raise Stop
        left.pop()

    with pytest.raises(Stop):
        trainer_of(family)(_Slow(corpus()), {**SMALL[family], "dim": 16}, tmp_path, tick)
    assert list(tmp_path.iterdir()) == []


class _Slow:
    """Texts that take 0.3 s to come, so that a second tick is due in the first walk."""

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts

    def __iter__(self):
        import time

        for number, text in enumerate(self.texts):
            if number == 5:
                time.sleep(0.3)
            yield text


def test_terms_beyond_the_limit_are_forgotten_rarest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.embedding.training.texts.MAX_TERMS", 50)
    texts = [f"often once{number}" for number in range(200)]
    counted = count_terms(texts, str.split, least=1, most_terms=10, pulse=Pulse(lambda: None), per_text=True)
    assert (counted.terms[0], counted.counts[0]) == ("often", 200)
    assert counted.texts == 200


def test_decomposition_of_a_matrix_of_low_rank() -> None:
    dice = np.random.default_rng(1)
    dense = dice.normal(size=(60, 5)) @ dice.normal(size=(5, 40))
    left, values, right = truncated_svd(csr_matrix(dense), 12, Pulse(lambda: None))
    np.testing.assert_allclose(left * values @ right, dense, atol=1e-3)
    np.testing.assert_allclose(values[:5], np.linalg.svd(dense)[1][:5], rtol=1e-4)
    assert (values[5:] < 1e-5 * values[0]).all()


def _rewrite(folder: Path, change: Mapping[str, object], tensors: Mapping[str, object]) -> None:
    from services.embedding.own_folder import OwnModel, write_own_folder

    model, found, vocabulary = load_own_folder(folder)
    fields = {name: getattr(model, name) for name in OwnModel.__slots__} | dict(change)
    write_own_folder(folder, OwnModel(**fields), {**found, **tensors}, vocabulary)


@pytest.mark.parametrize(
    ("family", "change", "tensors"),
    [
        ("tf-idf", {}, {"projection": np.zeros((3, 24), dtype=np.float32)}),
        ("tf-idf", {}, {"idf": np.zeros((3,))}),
        ("tf-idf", {"dim": 25}, {}),
        ("tf-idf", {"settings": {"weighting": "mine"}}, {}),
        ("tf-idf", {"settings": {"weighting": ["tf-idf"]}}, {}),
        ("n-grams", {"settings": {"weighting": "tf-idf", "least_gram": 0, "most_gram": 2}}, {}),
        ("fasttext", {"settings": {"least_gram": 3, "most_gram": 99}}, {}),
        ("word2vec", {}, {"vectors": np.zeros((3, 16), dtype=np.float32)}),
        ("word2vec", {}, {"weights": np.zeros(3, dtype=np.float32)}),
        ("word2vec", {}, {"common": np.zeros((1, 4), dtype=np.float32)}),
    ],
)
def test_a_folder_that_does_not_fit_itself_is_refused(
    family: str, change: Mapping[str, object], tensors: Mapping[str, object], tmp_path: Path
) -> None:
    folder = train(family, tmp_path / "model")
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    _rewrite(broken, change, tensors)
    with pytest.raises(ModelError) as refused:
        ModelRegistry().load(str(broken))
    assert refused.value.code == "model-unreadable"
