"""word2vec, fastText and GloVe as trained here; texts as weighted means."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from gensim.models import FastText
from scipy.sparse import csr_matrix

from services.embedding.classic.cooccurrence import ppmi
from services.embedding.families import trainer_of
from services.embedding.own_folder import load_own_folder
from services.embedding.registry import ModelRegistry
from services.embedding.training import windows
from services.embedding.training.texts import Pulse
from services.embedding.training.windows import count_pairs
from services.embedding.wordvectors.embedder import WordsEmbedder
from services.embedding.wordvectors.glove import Plan, _Side, _step, fit
from services.embedding.wordvectors.sif import WordMeans, common_directions, expected_direction, sif_weights, without
from services.embedding.wordvectors.subwords import Subwords, buckets, fnv1a
from tests.word_models import SMALL, corpus, train

STILL = Pulse(lambda: None)
WORDS = ["word", "Zürich", "東京", "a", "", "naïve", "\U0001f680x", "hyphen-ated"]


def load(folder: Path) -> WordsEmbedder:
    embedder = ModelRegistry().load(str(folder))
    assert isinstance(embedder, WordsEmbedder)
    return embedder


@pytest.mark.parametrize("grams", [(3, 6), (1, 2), (2, 2)])
def test_subwords_are_gensims(grams: tuple[int, int]) -> None:
    model = FastText([["some", "words"]], vector_size=8, min_count=1, bucket=77, min_n=grams[0], max_n=grams[1])
    ours = Subwords(model.wv.vectors_ngrams, *grams)
    for word in WORDS:
        assert np.abs(ours.vector(word) - model.wv.get_vector(word)).max() < 1e-5 or not buckets(word, *grams, 77)


def test_the_hash_is_fnv_with_signed_bytes() -> None:
    assert fnv1a(b"") == 2166136261
    assert fnv1a(b"a") == 0xE40C292C  # the published FNV-1a value
    assert fnv1a("ü".encode()) == fnv1a(b"\xc3\xbc") != 0


def test_a_word_nobody_saw_has_a_vector_near_its_kin(tmp_path: Path) -> None:
    embedder = load(train("fasttext", tmp_path, {"epochs": 20}))
    unseen, kin, other = (embedder.word_vector(word) for word in ("orchestras", "orchestra", "cinnamon"))
    assert unseen is not None
    assert kin is not None
    assert other is not None
    assert cosine(unseen, kin) > cosine(unseen, other)
    assert load(train("word2vec", tmp_path / "w")).word_vector("orchestras") is None


def cosine(left: np.ndarray, right: np.ndarray) -> float:
    return float(left @ right / np.linalg.norm(left) / np.linalg.norm(right))


@pytest.mark.parametrize("family", ["word2vec", "fasttext"])
def test_cbow_and_skip_gram_are_two_things(family: str, tmp_path: Path) -> None:
    skip, cbow = (load(train(family, tmp_path / str(sg), {"sg": sg})) for sg in (1, 0))
    assert skip.spec.fingerprint != cbow.spec.fingerprint
    assert np.abs(skip.embed_queries(["a violin"]) - cbow.embed_queries(["a violin"])).max() > 1e-3


def test_another_process_with_another_hash_seed_trains_the_same(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.word_models import train; "
        "[train(family, Path(sys.argv[1]) / family) for family in ('word2vec', 'glove', 'tf-idf')]"
    )
    root = Path(__file__).resolve().parents[4]
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=True, cwd=root,
        env={"PYTHONHASHSEED": "17", "PATH": "/usr/bin", "HOME": str(tmp_path)},
    )  # fmt: skip
    for family in ("word2vec", "glove", "tf-idf"):
        here = ModelRegistry().load(str(train(family, tmp_path / f"here-{family}"))).embed_documents(corpus(20))
        there = ModelRegistry().load(str(tmp_path / family)).embed_documents(corpus(20))
        assert np.abs(here - there).max() < 1e-4


def test_texts_are_read_and_ticks_come_in_the_callers_thread(tmp_path: Path) -> None:
    seen: set[int] = set()

    class Texts:
        def __iter__(self):
            for text in corpus():
                seen.add(threading.get_ident())
                yield text

    trainer_of("word2vec")(Texts(), SMALL["word2vec"], tmp_path, lambda: seen.add(threading.get_ident()))
    assert seen == {threading.get_ident()}


def test_texts_that_cannot_be_read_end_the_training(tmp_path: Path) -> None:
    class Texts:
        walks = 0

        def __iter__(self):
            self.walks += 1
            for number, text in enumerate(corpus()):
                if self.walks == 3 and number == 20:
                    raise OSError("the store went away")
                yield text

    with pytest.raises(OSError, match="went away"):
        trainer_of("word2vec")(Texts(), SMALL["word2vec"], tmp_path, lambda: None)
    assert not [thread for thread in threading.enumerate() if thread.name == "word-training"]
    assert list(tmp_path.iterdir()) == []


def test_a_training_that_breaks_goes_over_no_more_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = threading.Event()
    read: list[str] = []

    def train(*_: object, **__: object) -> None:
        broken.set()
        raise MemoryError("no room")

    class Texts:
        def __iter__(self) -> Iterator[str]:
            for text in corpus():
                if broken.is_set():
                    read.append(text)
                    time.sleep(0.01)
                yield text

    monkeypatch.setattr("gensim.models.Word2Vec.train", train)
    with pytest.raises(MemoryError, match="no room"):
        trainer_of("word2vec")(Texts(), SMALL["word2vec"], tmp_path, lambda: None)
    assert len(read) < len(corpus())


def test_pairs_are_counted_within_a_window_and_a_text() -> None:
    words = ["a", "b", "c"]
    pairs = count_pairs(["a b x c", "c a"], words, 2, STILL, harmonic=True).toarray()
    # x is taken out first, so c stands two after a and one after b
    np.testing.assert_allclose(pairs, [[0, 1, 1.5], [1, 0, 1], [1.5, 1, 0]])
    plain = count_pairs(["a b x c", "c a"], words, 1, STILL, harmonic=False).toarray()
    np.testing.assert_allclose(plain, [[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    assert count_pairs([], words, 2, STILL, harmonic=True).nnz == 0


@pytest.mark.parametrize("text", ["a b c d e f g h i j", "a b a b c d e f g h i j"])
def test_only_so_many_pairs_are_held_also_where_most_were_seen_once(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "MAX_PAIRS", 8)
    pairs = count_pairs([text], list("abcdefghij"), 2, STILL, harmonic=False)
    assert 0 < pairs.nnz <= 8, "four pairs, each in both directions but for a word beside itself"
    if text.count("a") > 1:
        assert pairs[0, 1] == pairs.max() > 1


def test_ppmi_by_hand() -> None:
    pairs = csr_matrix(np.array([[0.0, 8.0, 1.0], [8.0, 0.0, 1.0], [1.0, 1.0, 0.0]]))
    total, words = 20.0, np.array([9.0, 9.0, 2.0])
    smooth = words**0.75 / (words**0.75).sum()
    with np.errstate(divide="ignore"):
        expected = np.maximum(np.log(pairs.toarray() / total / (words[:, None] / total * smooth[None, :])), 0)
    np.testing.assert_allclose(ppmi(pairs, 0.75).toarray(), expected)


def test_glove_comes_to_the_logarithms_of_the_counts() -> None:
    dice = np.random.default_rng(3)
    dense = np.exp(dice.normal(size=(30, 3)) @ dice.normal(size=(3, 30)))
    dense = (dense + dense.T) * (dice.random((30, 30)) < 0.7)
    pairs = csr_matrix(np.triu(dense) + np.triu(dense, 1).T)
    fitted = fit(pairs, Plan(dim=12, epochs=60, x_max=1.0, learning_rate=0.5, seed=1), STILL)
    assert fitted.words.shape == (30, 12)
    assert fitted.losses[-1] < 0.02 * fitted.losses[0]
    assert fitted.losses[-1] < 0.05


def test_weights_and_common_directions_are_the_papers() -> None:
    np.testing.assert_allclose(sif_weights(np.array([10.0, 1.0]), 1000.0, 1e-3), [1 / 11, 0.5], rtol=1e-6)
    dice = np.random.default_rng(2)
    vectors = (dice.normal(size=(50, 6)) + 1.0).astype(np.float32)
    words = [f"w{number}" for number in range(50)]
    counts = 1.0 / np.arange(1, 51)
    weights = sif_weights(counts, float(counts.sum()), 1e-3)
    means = WordMeans({word: row for row, word in enumerate(words)}, vectors, weights)
    texts = [" ".join(dice.choice(words, size=9)) for _ in range(300)]
    rows = np.stack([means.mean(text, 512) for text in texts])
    found = common_directions(means, texts, 512, 2, STILL)
    exact = np.linalg.svd(rows, full_matrices=False)[2][:2]
    assert np.abs(np.abs((found * exact).sum(axis=1)) - 1).max() < 1e-5
    rest = without(rows, found[:1])
    np.testing.assert_allclose(rest @ found[0], 0, atol=1e-6)
    assert not without(found[:1].astype(np.float64), found[:1]).any()
    assert abs(float(expected_direction(vectors, weights, counts)[0] @ exact[0])) > 0.9


def test_pieces_are_part_of_the_stored_model(tmp_path: Path) -> None:
    model, tensors, _ = load_own_folder(train("fasttext", tmp_path))
    assert tensors["subwords"].shape == (500, 16)
    assert (model.settings["least_gram"], model.settings["most_gram"]) == (3, 6)


def test_a_step_of_glove_goes_down_the_gradient() -> None:
    dice = np.random.default_rng(8)
    words, contexts = (_Side(dice.normal(size=(6, 5)).astype(np.float32), np.ones((6, 5), np.float32)) for _ in "wc")
    words.vectors[:, -1] = contexts.vectors[:, -1] = 1.0
    rows, columns = (part.astype(np.int32) for part in np.nonzero(dice.random((6, 6)) < 0.6))
    logs, weights = (dice.random(len(rows)).astype(np.float32) for _ in range(2))
    start = words.vectors.astype(np.float64), contexts.vectors.astype(np.float64)

    def half_loss(left: np.ndarray, right: np.ndarray) -> float:
        products = (left[rows, :3] * right[columns, :3]).sum(axis=1)
        errors = products + left[rows, 3] + right[columns, 3] - logs
        return float((weights * errors**2).sum()) / 2

    _step(words, contexts, rows, columns, logs, weights, 0.1)
    for side, trained in ((0, words), (1, contexts)):
        for at in np.ndindex(6, 4):
            moved = [part.copy() for part in start]
            moved[side][at] += 1e-4
            slope = (half_loss(*moved) - half_loss(*start)) / 1e-4
            assert np.sqrt(trained.squares[at] - 1) == pytest.approx(abs(slope), rel=0.01, abs=3e-3)
            assert (start[side][at] - trained.vectors[at]) * slope >= 0
