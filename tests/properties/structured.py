"""Random documents with headings, paragraphs, code, tables and list items, put together as extractors do it."""

from __future__ import annotations

from hypothesis import strategies as st

from services.ingest.extract.builder import TextBuilder
from services.ingest.values import BlockKind, Extracted

WORDS = st.sampled_from(
    [
        "word",
        "a",
        "Sentence.",
        "End!",
        "日本語。",
        "naïve",
        "x" * 90,
        "3.14",
        "e.g.",
        "\u200b",
        "`code`",
        "|",
        "(b)",
        "- x",
    ]
)
LINES = st.lists(WORDS, min_size=1, max_size=9).map(" ".join)
GAPS = {BlockKind.LIST_ITEM: ("\n", "\n\n"), BlockKind.TABLE: ("\n\n",), BlockKind.CODE: ("\n\n", "\n\n  \n")}


@st.composite
def structured(draw: st.DrawFn) -> Extracted:
    """A document of up to 14 parts."""
    builder = TextBuilder()
    for kind in draw(st.lists(st.sampled_from(["heading", *BlockKind, *BlockKind]), max_size=14)):
        if not isinstance(kind, BlockKind):
            builder.add_heading(draw(LINES), draw(st.integers(1, 6)))
            continue
        lines = draw(st.lists(LINES, min_size=1, max_size=12 if kind in (BlockKind.CODE, BlockKind.TABLE) else 3))
        indent, joint = "", "\n"
        if kind is BlockKind.CODE:
            indent, joint = draw(st.sampled_from(["", "    "])), draw(st.sampled_from(["\n", "\n", "\n\n"]))
        gap = draw(st.sampled_from(GAPS.get(kind, ("\n\n",))))
        mark = "- " if kind is BlockKind.LIST_ITEM else ""
        builder.add(mark + joint.join(indent + line for line in lines), gap=gap, kind=kind)
    return Extracted(builder.text(), headings=tuple(builder.headings), blocks=tuple(builder.blocks))
