from __future__ import annotations

from services.ingest.extract.builder import TextBuilder
from services.ingest.extract.nested import MAX_TOTAL_BYTES, Nest, append_extracted
from services.ingest.values import Block, BlockKind, Extracted, Heading
from tests.unit.ingest.test_containers import zipped


def test_offsets_move_with_the_text() -> None:
    builder = TextBuilder()
    builder.add("before")
    text = "\n\nHead\n\nwords\n\n- item\n"
    extracted = Extracted(
        text,
        headings=(Heading(2, 6, 1, "Head"),),
        blocks=(Block(8, 13, BlockKind.PARAGRAPH), Block(15, 21, BlockKind.LIST_ITEM)),
    )
    append_extracted(builder, extracted, below=4)
    append_extracted(builder, Extracted(" \n "))
    append_extracted(builder, extracted, below=9)
    assert builder.text() == "before\n\nHead\n\nwords\n\n- item\n\nHead\n\nwords\n\n- item"
    assert [(item.level, builder.text()[item.start : item.end]) for item in builder.headings] == [
        (5, "Head"),
        (6, "Head"),
    ]
    assert [builder.text()[block.start : block.end] for block in builder.blocks] == ["- item", "- item"]


def test_parts_move_with_the_text() -> None:
    builder = TextBuilder()
    builder.add("before")
    builder.begin_part()
    append_extracted(builder, Extracted("\n\nmail\n\nnotes\n\n\n", parts=(2, 8, 14, 15)))
    builder.begin_part()
    append_extracted(builder, Extracted("last"))
    text = builder.text()
    assert text == "before\n\nmail\n\nnotes\n\nlast"
    assert [text[start:].split("\n")[0] for start in builder.parts] == ["mail", "notes", "last"]


def test_every_attachment_and_every_file_of_an_archive_is_a_part() -> None:
    builder, nest = TextBuilder(), Nest(lambda: None)
    builder.add("body")
    nest.add(builder, "docs.zip", zipped({"a.txt": b"one", "empty.txt": b"", "b.txt": b"two"}))
    nest.add(builder, "unread.bin", bytes(range(1, 32)) * 9)
    nest.add(builder, "c.txt", b"three")
    text = builder.text()
    assert [text[start:].split("\n")[0] for start in builder.parts] == ["docs.zip", "b.txt", "c.txt"]
    assert len(nest.warnings()) == 2


def test_all_attachments_together_have_a_limit() -> None:
    builder, nest = TextBuilder(), Nest(lambda: None)
    nest.add(builder, "large.txt", b"words " * (MAX_TOTAL_BYTES // 12))
    nest.add(builder, "second.txt", b"words " * (MAX_TOTAL_BYTES // 10))
    nest.add(builder, "../../third.txt", b"x")
    assert [heading.text for heading in builder.headings] == ["large.txt"]
    assert f"at most {MAX_TOTAL_BYTES:,} bytes" in nest.warnings()[0]
    assert [warning.partition(":")[0] for warning in nest.warnings()] == [
        "attachment 'second.txt' was not read",
        "attachment 'third.txt' was not read",
    ]


def test_progress_is_told_at_every_attachment() -> None:
    told: list[None] = []
    nest = Nest(lambda: told.append(None))
    for number in range(5):
        nest.add(TextBuilder(), f"{number}.txt", b"x")
    assert len(told) >= 5
