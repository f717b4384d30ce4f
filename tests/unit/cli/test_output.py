from __future__ import annotations

import pytest

from cli.output import clean, columns, wrapped


def test_text_of_a_document_cannot_act_on_the_terminal() -> None:
    assert clean("\x1b[2Jhello\x07") == "\ufffd[2Jhello\ufffd"
    assert clean("a\u202eb\x9bc") == "a\ufffdb\ufffdc"
    assert clean("plain\ttext\n日本語 🙂") == "plain\ttext\n日本語 🙂"


def test_wrapping_keeps_to_its_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    shown = wrapped("many words " * 100, indent="    ", lines=3).splitlines()
    assert len(shown) == 3
    assert all(line.startswith("    ") and len(line) < 60 for line in shown)
    assert shown[-1].endswith("...")


def test_columns_line_up() -> None:
    assert columns([("NAME", "COUNT", "WHAT"), ("a", "1,000", "x y"), ("longer", "1", "")]) == (
        "  NAME    COUNT  WHAT\n  a       1,000  x y\n  longer  1"
    )
    assert columns([]) == ""
