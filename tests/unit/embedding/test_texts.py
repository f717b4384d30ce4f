from __future__ import annotations

import pytest

from services.embedding.texts import CHARS_PER_TOKEN, prepare_texts
from services.errors import InvalidInput


def test_texts_pass_as_they_are() -> None:
    texts = ["", " blank ", "e\u0301", "\U0001f680", "a\x00b"]
    assert prepare_texts(texts, 256) == texts


def test_a_huge_text_does_not_reach_the_tokenizer() -> None:
    (prepared,) = prepare_texts(["ab" * 5_000_000], 256)
    assert len(prepared) == 256 * CHARS_PER_TOKEN


def test_a_lone_surrogate_is_named_by_text_and_place() -> None:
    with pytest.raises(InvalidInput, match=r"text 2 .* character 1") as refused:
        prepare_texts(["a", "b", "c\udfff"], 256)
    assert refused.value.code == "bad-text"


def test_a_single_string_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(TypeError, match="sequence of strings"):
        prepare_texts("abc", 256)
