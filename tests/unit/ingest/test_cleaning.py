from __future__ import annotations

import pytest

from services.errors import InvalidInput
from services.ids import file_document_id
from services.ingest.cleaning import (
    check_document_id,
    clean_file_name,
    clean_text,
    relative_name,
    require_encodable,
    strip_invisible,
)


def test_control_characters_go_and_newlines_become_one_kind() -> None:
    assert clean_text("a\x00b\x07\r\nc\rd\x85e\u2028f\tg\ufeff") == "ab\nc\nd\ne\nf\tg"


def test_invisible_characters_are_for_the_eye_only() -> None:
    text = "in\u200bvis\u202eible\U000e0041"
    assert clean_text(text) == text
    assert strip_invisible(text) == "invisible"


@pytest.mark.parametrize(
    "document_id", ["a", "a b", "../x", "{x}", "*", "celery", "文档", "a/b#17", "x" * 512, "é" * 256, "😀"]
)
def test_ids_may_be_almost_anything_that_can_be_seen(document_id: str) -> None:
    check_document_id(document_id)


@pytest.mark.parametrize(
    "document_id",
    [
        "",
        "  ",
        "a\n",
        "\x00",
        "a\u202eb",
        "a\u200bb",
        "\ufeffa",
        "❤\ufe0f",
        "\U000e0041",
        "\ud800",
        "x" * 513,
        "é" * 257,
    ],
)
def test_ids_hold_nothing_that_cannot_be_seen(document_id: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_document_id(document_id, pointer="/3/id")
    assert (caught.value.code, caught.value.pointer) == ("bad-document-id", "/3/id")


def test_half_a_surrogate_pair_is_named_with_its_place() -> None:
    with pytest.raises(InvalidInput, match=r"U\+D800 at character 2") as caught:
        require_encodable("ab\ud800", what="the text", pointer="/text")
    assert caught.value.code == "lone-surrogate"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "etc/passwd"),
        ("..\\x", "x"),
        ("C:\\a\\b.txt", "a/b.txt"),
        ("a//b/./c.md", "a/b/c.md"),
        ("文档.pdf", "文档.pdf"),
        ("gpj\u202e.exe", "gpj.exe"),
        ("a\x00b\n.txt", "ab.txt"),
        (".htaccess", ".htaccess"),
        ("", "unnamed"),
        ("../..", "unnamed"),
        ("\ud800.txt", "\ufffd.txt"),
        ("<img onerror=x>.txt", "<img onerror=x>.txt"),
    ],
)
def test_file_names_are_made_fit_for_showing(name: str, shown: str) -> None:
    assert clean_file_name(name) == shown


def test_long_names_keep_their_extension() -> None:
    shown = clean_file_name("文" * 300 + ".txt")
    assert len(shown.encode()) <= 200
    assert shown.endswith("文.txt")
    assert len(clean_file_name("/".join(["d" * 150] * 20)).encode()) <= 1024


def test_two_spellings_of_a_path_are_one_document() -> None:
    assert file_document_id(relative_name("a/b.txt")) == file_document_id(relative_name(".\\a\\\\b.txt"))
    assert relative_name("a/b.txt") != relative_name("a/c.txt")
