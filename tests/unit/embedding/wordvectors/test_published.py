"""Published files of word vectors: written by gensim, read by us; and files that are broken or not what they say."""

from __future__ import annotations

import contextlib
import gzip
import struct
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from gensim.models import FastText, KeyedVectors, Word2Vec
from gensim.models.fasttext import save_facebook_model

from services.embedding.own_folder import load_own_folder
from services.embedding.registry import ModelRegistry
from services.embedding.wordvectors.embedder import WordsEmbedder
from services.embedding.wordvectors.published.importing import import_word_vectors
from services.errors import InvalidInput, ModelError
from tests.word_models import corpus

SENTENCES = [text.split() for text in corpus()] + [["Zürich", "東京", "naïve"]] * 3


@cache
def keyed() -> KeyedVectors:
    return Word2Vec(SENTENCES, vector_size=10, min_count=1, workers=1, seed=1, epochs=2).wv


@cache
def subword_model() -> FastText:
    return FastText(SENTENCES, vector_size=10, min_count=1, bucket=300, min_n=2, max_n=4, workers=1, seed=1, epochs=2)


def taken_in(path: Path, folder: Path, **options: int) -> WordsEmbedder:
    folder.mkdir()
    import_word_vectors(path, folder, tick=lambda: None, **options)
    embedder = ModelRegistry().load(str(folder))
    assert isinstance(embedder, WordsEmbedder)
    return embedder


def write(path: Path, kind: str) -> None:
    """A published file of one kind."""
    if kind == "word2vec binary":
        keyed().save_word2vec_format(str(path), binary=True)
    elif kind == "original word2vec binary":
        words = keyed().index_to_key
        rows = b"".join(word.encode() + b" " + keyed()[word].astype("<f4").tobytes() + b"\n" for word in words)
        path.write_bytes(f"{len(words)} 10\n".encode() + rows)
    elif kind in ("word2vec text", "word2vec text, gzip"):
        keyed().save_word2vec_format(str(path), binary=False)
        if kind.endswith("gzip"):
            path.write_bytes(gzip.compress(path.read_bytes()))
    else:
        keyed().save_word2vec_format(str(path), binary=False, write_header=False)


KINDS = ["word2vec binary", "original word2vec binary", "word2vec text", "word2vec text, gzip", "glove"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_gensim_writes_is_read_equal(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "vectors.bin"
    write(path, kind)
    embedder = taken_in(path, tmp_path / "model")
    assert embedder.spec.family == ("glove" if kind == "glove" else "word2vec")
    assert embedder.words(1000) == keyed().index_to_key
    for word in keyed().index_to_key:
        vector = embedder.word_vector(word)
        assert vector is not None
        assert np.abs(vector - keyed()[word]).max() < 1e-6
    assert embedder.word_vector("unheard") is None
    vectors = embedder.embed_documents(["Zürich 東京", "a violin"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_fasttext_model_is_read_with_its_pieces(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    save_facebook_model(subword_model(), str(path))
    embedder = taken_in(path, tmp_path / "model")
    assert embedder.spec.family == "fasttext"
    words = subword_model().wv
    for word in (*words.index_to_key, "orchestras", "Zürichs", "unheard-of"):
        vector = embedder.word_vector(word)
        assert vector is not None
        assert np.abs(vector - words[word]).max() < 1e-5


def test_fasttext_counts_make_the_weights(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    save_facebook_model(subword_model(), str(path))
    taken_in(path, tmp_path / "model")
    _, tensors, words = load_own_folder(tmp_path / "model")
    counts = np.array([subword_model().wv.get_vecattr(word, "count") for word in words], dtype=float)
    np.testing.assert_allclose(tensors["weights"], 1e-3 / (1e-3 + counts / counts.sum()), rtol=1e-5)


def test_words_without_counts_follow_zipf(tmp_path: Path) -> None:
    write(tmp_path / "v.txt", "glove")
    taken_in(tmp_path / "v.txt", tmp_path / "model", max_words=5)
    _, tensors, words = load_own_folder(tmp_path / "model")
    assert words == keyed().index_to_key[:5]
    shares = 1 / np.arange(1, 6)
    np.testing.assert_allclose(tensors["weights"], 1e-3 / (1e-3 + shares / shares.sum()), rtol=1e-5)


@pytest.mark.parametrize("kind", [*KINDS, "fasttext"])
def test_only_so_many_words_are_taken(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "vectors"
    if kind == "fasttext":
        save_facebook_model(subword_model(), str(path))
    else:
        write(path, kind)
    assert len(taken_in(path, tmp_path / "model", max_words=3).words(100)) == 3


def test_a_capital_counts_where_the_file_has_it(tmp_path: Path) -> None:
    path = tmp_path / "v.txt"
    path.write_text("Turkey 1 0 0\nturkey 0 1 0\nbird 0 0 1\n")
    embedder = taken_in(path, tmp_path / "cased")
    upper, lower, shouted = (embedder.word_vector(word) for word in ("Turkey", "turkey", "TURKEY"))
    assert upper is not None
    assert lower is not None
    assert shouted is not None
    assert (upper[0], lower[1], shouted[1]) == (1, 1, 1)


def test_words_may_hold_blanks_and_stand_twice(tmp_path: Path) -> None:
    path = tmp_path / "v.txt"
    path.write_text("one 1 0 0\n. . 0 1 0\none 0 0 1\r\n\ntwo 0 1 1 \n")
    embedder = taken_in(path, tmp_path / "model")
    assert embedder.words(10) == ["one", ". .", "two"]
    first = embedder.word_vector("one")
    assert first is not None
    assert first.tolist() == [1, 0, 0]


FLOATS = struct.pack("<3f", 1, 2, 3)


def facebook(**change: object) -> bytes:
    """A fastText model of two words and two buckets, with some fields changed."""
    fields: dict[str, object] = {
        "magic": 793712314, "version": 12, "dim": 3, "kind": 2, "bucket": 2, "least": 2, "most": 3, "size": 2,
        "words": 2, "labels": 0, "pruned": -1, "entry": 0, "quantised": False, "rows": 4, "numbers": FLOATS * 4,
    } | change  # fmt: skip
    f = fields
    return (
        struct.pack("<ii", f["magic"], f["version"])
        + struct.pack("<12id", f["dim"], 5, 1, 1, 5, 1, 2, f["kind"], f["bucket"], f["least"], f["most"], 100, 1e-4)
        + struct.pack("<iiiqq", f["size"], f["words"], f["labels"], 10, f["pruned"])
        + b"".join(word + b"\0" + struct.pack("<qb", 5, f["entry"]) for word in (b"one", b"two"))
        + struct.pack("<?qq", f["quantised"], f["rows"], 3)
        + bytes(f["numbers"])  # type: ignore[call-overload]
    )


BROKEN: list[tuple[bytes, str]] = [
    (b"", "0"),
    (b"hello", "0 numbers a word"),
    (b"one 1 2 3\ntwo 1 2\n", "row 2 has 2 numbers, the first one has 3"),
    (b"one 1 2 3\ntwo 1 2 nan\n", "NaN"),
    (b"one 1 2 3\ntwo 1 2 1e99\n", "infinity"),
    (b"one 1 2 3\ntwo 1 x 3\n", "a number is none"),
    (b"one 1 2 3\n\xff\xfe 1 2 3\n", "not UTF-8"),
    (b"one 1 2 3\n" + b"w" * 2000 + b" 1 2 3\n", "a word of 2,000 bytes"),
    (b"one " + b"1 " * 200_000, "a line has more than"),
    (b"3 3\none 1 2 3\ntwo 1 2 3\n", "promises 3 words and ends after 2"),
    (b"0 3\n", "promises 0 words"),
    (b"99999999999 3\none 1 2 3\n", "99,999,999,999 words"),
    (b"2 99999\none 1 2 3\n", "99,999 numbers a word"),
    (gzip.compress(b"one 1 2 3\n" * 99, mtime=0)[:-12], "damaged"),
    (b"\x1f\x8bnonsense", "damaged"),
    (b"2 3\none " + FLOATS + b"two " + FLOATS[:5], "cut off"),
    (b"2 3\none " + struct.pack("<3f", 1, float("nan"), 3) + b"two " + FLOATS, "NaN"),
    (b"2 300\n" + b"x" * 3000, "word 1 has more than 1,024 bytes"),
    (b"1 3\n" + b"\xff" * 20 + b" " + FLOATS, "not UTF-8"),
    (b"\x80\x04\x95whatever", "pickle"),
    (facebook(version=11), "version 12"),
    (facebook(kind=3), "classifier"),
    (facebook(labels=1, size=3), "classifier"),
    (facebook(pruned=2), "pruned"),
    (facebook(quantised=True), "quantised"),
    (facebook(bucket=-1), "-1 buckets"),
    (facebook(bucket=2_000_000_000), "2,000,000,000 buckets"),
    (facebook(most=99), "2 to 99 characters"),
    (facebook(dim=0), "0 numbers"),
    (facebook(size=2_000_000_000, words=2_000_000_000), "2,000,000,000 words"),
    (facebook(entry=1), "not a word"),
    (facebook(rows=5), "its table has 5 rows"),
    (facebook(numbers=FLOATS * 3), "cut off in its table"),
    (facebook(numbers=struct.pack("<12f", *[float("inf")] * 12)), "infinity"),
    (facebook()[:30], "cut off in its arguments"),
    (facebook()[:100], "cut off"),
]  # fmt: skip


def test_the_model_that_the_broken_ones_are_made_of_is_whole(tmp_path: Path) -> None:
    (tmp_path / "m.bin").write_bytes(facebook())
    assert taken_in(tmp_path / "m.bin", tmp_path / "model").words(9) == ["one", "two"]


@pytest.mark.parametrize(("content", "words"), BROKEN)
def test_broken_files_are_refused_in_words(content: bytes, words: str, tmp_path: Path) -> None:
    path, folder = tmp_path / "vectors", tmp_path / "model"
    path.write_bytes(content)
    folder.mkdir()
    with pytest.raises(ModelError) as refused:
        import_word_vectors(path, folder, tick=lambda: None)
    assert refused.value.code == "model-unreadable"
    assert words in refused.value.message
    assert list(folder.iterdir()) == []


def test_gensims_own_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vectors.kv"
    keyed().save(str(path))
    with pytest.raises(ModelError, match="pickle"):
        import_word_vectors(path, tmp_path, tick=lambda: None)


def test_tables_too_large_are_refused_before_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "v.bin"
    with path.open("wb") as file:
        file.write(b"5000000 300\n")
        file.truncate(12 + 5_000_000 * 1202)
    with pytest.raises(ModelError, match=r"5\.6 GiB, allowed are 4 GiB"):
        import_word_vectors(path, tmp_path, max_words=5_000_000, tick=lambda: None)


def test_a_number_with_too_many_digits_is_refused_and_not_cut(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("a 1.5 2.5\nb 1.23456789012345678901234567890123e-05 1\n")
    with pytest.raises(ModelError, match="row 2 has a number of more than 32"):
        import_word_vectors(path, tmp_path, tick=lambda: None)


def test_a_missing_file_and_a_wrong_limit_are_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as missing:
        import_word_vectors(tmp_path / "no", tmp_path, tick=lambda: None)
    assert missing.value.code == "model-missing"
    with pytest.raises(InvalidInput, match="max_words"):
        import_word_vectors(tmp_path / "no", tmp_path, max_words=0, tick=lambda: None)


@pytest.mark.parametrize("kind", KINDS)
def test_no_cut_and_no_flipped_byte_brings_another_error(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "vectors"
    write(path, kind)
    whole = path.read_bytes()
    dice = np.random.default_rng(4)
    for turn in range(40):
        broken = bytearray(whole)
        if turn % 2:
            del broken[int(dice.integers(len(broken))) :]
        else:
            broken[int(dice.integers(min(len(broken), 400)))] = int(dice.integers(256))
        path.write_bytes(broken)
        folder = tmp_path / f"model-{turn}"
        folder.mkdir()
        with contextlib.suppress(ModelError):
            import_word_vectors(path, folder, tick=lambda: None)
