from __future__ import annotations

import pytest

from services.ingest.extract.language import detect_language
from services.ingest.extract.registry import extract

ENGLISH = "The quick brown fox jumps over the lazy dog while everybody else is watching the game on television. "
GERMAN = "Der schnelle braune Fuchs springt über den faulen Hund, während alle anderen das Spiel im Fernsehen sehen. "
JAPANESE = "これは日本語の文章です。検索エンジンについて説明します。テキストの言語を判定します。毎日使っています。"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (ENGLISH * 3, "en"),
        (GERMAN * 3, "de"),
        (JAPANESE, "ja"),
        ("", ""),
        ("the cat", ""),
        ("12345 --- 678 !!! " * 50, ""),
        ("def f(x):\n    return [y ** 2 for y in x if y]\nq = {k: v}\n", ""),
        ("Name: Chair\nPrice: 5\nColor: red\nMaterial: wood\nStock: available", ""),
    ],
)
def test_a_language_is_named_only_without_doubt(text: str, code: str) -> None:
    assert detect_language(text) == code


def test_only_the_beginning_counts() -> None:
    assert detect_language(GERMAN * 60 + ENGLISH * 1_000) == "de"


def test_documents_get_a_language_where_they_name_none() -> None:
    def language(media_type: str, text: str) -> str:
        return extract(media_type, text.encode(), max_text_bytes=10**6).language

    assert language("text/markdown", GERMAN) == "de"
    assert language("text/html", f"<html lang=fr><p>{GERMAN}") == "fr"
    assert language("text/plain", ENGLISH) == ""
    assert language("text/plain", ENGLISH * 2 + "And so on.") == "en"
