from __future__ import annotations

import hashlib

import numpy as np

from services.embedding.hash_embedder import HashEmbedder

EMBEDDER = HashEmbedder()


def cosine(left: str, right: str) -> float:
    vectors = EMBEDDER.embed_documents([left, right])
    return float(vectors[0] @ vectors[1])


def test_vectors_are_the_same_on_every_machine() -> None:
    vectors = EMBEDDER.embed_documents(["The quick brown fox", "", "Straße, naïve 東京"])
    rounded = np.round(vectors, 4).astype("<f4").tobytes()
    assert hashlib.sha256(rounded).hexdigest()[:16] == "1f20d6c96c2d29b1"


def test_shared_words_and_stems_bring_texts_together() -> None:
    assert cosine("compress the backup files", "files of the backup, compressed") > 0.6
    assert (
        cosine("compressing archives", "archive compression")
        > cosine("compressing archives", "apple cake recipe") + 0.3
    )
    assert abs(cosine("compress the backup files", "apple cake with cinnamon")) < 0.35


def test_case_order_and_punctuation_do_not_count() -> None:
    assert cosine("Hello, WORLD again!", "again world hello") > 0.999999
    assert cosine("\uff21\uff22\uff23", "abc") > 0.999999


def test_small_words_count_little() -> None:
    assert cosine("the engine of the car", "engine car") > 0.9


def test_only_the_first_words_count() -> None:
    words = [f"word{number}" for number in range(300)]
    limit = EMBEDDER.spec.max_tokens
    assert cosine(" ".join(words), " ".join(words[:limit])) > 0.999999
    assert cosine(" ".join(words[:limit]), " ".join(words[: limit - 20])) < 0.9999


def test_texts_without_words_share_one_vector() -> None:
    vectors = EMBEDDER.embed_queries(["", "?!", " \n", "\U0001f680"])
    assert (vectors == vectors[0]).all()


def test_queries_and_documents_are_alike() -> None:
    texts = ["one text", "another"]
    np.testing.assert_array_equal(EMBEDDER.embed_queries(texts), EMBEDDER.embed_documents(texts))
