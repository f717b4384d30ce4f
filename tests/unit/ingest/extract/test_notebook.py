from __future__ import annotations

import json
from typing import Any

import pytest

from services.errors import InvalidInput
from services.ingest.extract.notebook import MAX_OUTPUT_CHARS, extract_notebook
from services.ingest.values import Block, BlockKind, Extracted


def read(notebook: Any) -> Extracted:
    body = notebook if isinstance(notebook, bytes) else json.dumps(notebook).encode()
    return extract_notebook(body, lambda: None)


def code(source: Any, *outputs: dict[str, Any]) -> dict[str, Any]:
    return {"cell_type": "code", "source": source, "outputs": list(outputs)}


def test_cells_in_their_order() -> None:
    found = read(
        {
            "nbformat": 4,
            "metadata": {"authors": [{"name": "Ann"}, {"name": "Bob"}]},
            "cells": [
                {
                    "cell_type": "markdown",
                    "source": ["# Title\n", "\n", "Some *prose*.\n", "\n", "## Part\n", "- item"],
                },
                code(["a = 1\n", "print(a)"], {"output_type": "stream", "text": ["1\n"]}),
                {"cell_type": "raw", "source": "raw words"},
                code("1/0", {"output_type": "error", "ename": "ZeroDivisionError", "evalue": "no", "traceback": ["x"]}),
                code("x", {"output_type": "display_data", "data": {"image/png": "iVBO", "text/plain": "<Figure>"}}),
                code("y", {"output_type": "execute_result", "data": {"text/html": "<table><tr><td>1<td>2</table>"}}),
                code("z", {"output_type": "stream", "text": "\x1b[31mred\x1b[0m words"}),
            ],
        }
    )
    assert found.text == (
        "Title\n\nSome prose.\n\nPart\n\n- item\n\na = 1\nprint(a)\n\n1\n\nraw words\n\n1/0\n\nZeroDivisionError: no"
        "\n\nx\n\n<Figure>\n\ny\n\n1 | 2\n\nz\n\nred words"
    )
    assert found.title == "Title"
    assert found.author == "Ann, Bob"
    assert [(heading.level, found.text[heading.start : heading.end]) for heading in found.headings] == [
        (1, "Title"),
        (2, "Part"),
    ]
    codes = [found.text[block.start : block.end] for block in found.blocks if block.kind is BlockKind.CODE]
    assert codes[:3] == ["a = 1\nprint(a)", "1", "1/0"]
    assert [block for block in found.blocks if block.kind is BlockKind.LIST_ITEM] == [
        Block(26, 32, BlockKind.LIST_ITEM)
    ]


def test_outputs_are_bounded_and_it_is_told() -> None:
    found = read({"cells": [code("train()", {"text": "loss\n" * 100_000}, {"text": "more"}), code("b")]})
    assert len(found.text) < MAX_OUTPUT_CHARS + 50
    assert found.text.endswith("\n\nb")
    assert found.warnings == ("the output of 1 cells was cut off after 4,000 characters",)


def test_version_3_and_odd_values() -> None:
    old = {"worksheets": [{"cells": [{"cell_type": "heading", "level": 2, "source": ["Old"]}, {"cell_type": "code", "input": "x=1", "outputs": [{"output_type": "pyout", "text": "1"}]}]}]}  # fmt: skip # noqa: E501
    found = read(old)
    assert found.text == "Old\n\nx=1\n\n1"
    assert found.headings[0].level == 2
    odd = {
        "cells": [5, None, {"cell_type": 5}, code(None, {"data": 5}, {"text": 7}), {"source": {"a": 1}}],
        "metadata": 5,
    }
    assert read(odd).text == ""
    assert read(b'{"cells": [{"cell_type": "raw", "source": "x", "metadata": {"a": NaN}}]}').text == "x"


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"cells": 5}', b"{", b"[" * 100_000, b"\xff\xfe\x00"])
def test_what_is_no_notebook_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        read(body)
