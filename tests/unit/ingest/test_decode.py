from __future__ import annotations

import random

import pytest

from services.errors import InvalidInput
from services.ingest.decode import decode

GERMAN = "Die Straße führt über die Brücke nach München. Ärger gibt es dort selten. " * 20
JAPANESE = "これは日本語のテキストです。検索エンジンは意味を理解します。" * 20


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_text_is_read_whatever_it_was_saved_as(encoding: str) -> None:
    decoded = decode(GERMAN.encode(encoding))
    assert decoded.text == GERMAN
    assert bool(decoded.warnings) == (encoding == "cp1252")


@pytest.mark.parametrize("encoding", ["shift_jis", "euc_jp"])
def test_japanese_encodings_are_guessed_and_the_guess_is_told(encoding: str) -> None:
    decoded = decode(JAPANESE.encode(encoding))
    assert decoded.text == JAPANESE
    assert "not UTF-8" in decoded.warnings[0]


def test_a_short_text_is_not_guessed_to_be_chinese() -> None:
    assert decode(b"caf\xe9").text == "café"


def test_the_encoding_a_page_names_comes_before_the_guess() -> None:
    word = "жить хорошо".encode("koi8-r")
    assert decode(word, declared="koi8-r").text == "жить хорошо"
    assert decode(word, declared="no-such-encoding").text != "жить хорошо"


def test_a_damaged_byte_in_utf8_costs_one_character() -> None:
    body = bytearray(GERMAN.encode())
    body[1000] = 0xFF
    decoded = decode(bytes(body))
    assert decoded.encoding == "utf-8"
    assert decoded.text.count("\ufffd") >= 1
    assert decoded.text[:900] == GERMAN[:900]
    assert "damaged" in decoded.warnings[0]


@pytest.mark.parametrize("body", [random.Random(1).randbytes(5000), b"\x00" * 100, bytes(range(256)) * 8])
def test_binary_data_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput, match="binary") as caught:
        decode(body)
    assert caught.value.code == "undecodable-text"


def test_nothing_is_text() -> None:
    assert decode(b"").text == ""
