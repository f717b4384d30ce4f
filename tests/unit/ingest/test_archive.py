from __future__ import annotations

import io
import random
import struct
import zipfile

import pytest

from services.errors import InvalidInput
from services.ingest.rows.archive import MEMBER_STRIDE
from services.ingest.rows.tabular import ZIP, NumberedRow, read_rows
from tests.unit.ingest.test_containers import zipped


def rows(body: bytes, after: int = 0) -> list[NumberedRow]:
    return list(read_rows(ZIP, io.BytesIO(body), after=after))


def shown(found: list[NumberedRow]) -> list[tuple[str, str]]:
    return [(row.place, "" if row.file or row.row else row.problem) for row in found]


MIXED = zipped(
    {
        "docs/": b"",
        "docs/a.txt": b"hello",
        "docs/photo.png": b"\x89PNG\r\n\x1a\n",
        "__MACOSX/docs/._a.txt": b"x",
        ".DS_Store": b"x",
        "docs/.hidden/b.txt": b"x",
        "docs/~$lock.docx": b"x",
        "Thumbs.db": b"x",
        "data/cities.csv": b"id,text\nb,Berlin\np,Paris\nbad,x,y,z\n",
        "empty.txt": b"",
        "inner.zip": zipped({"b.md": b"# Bee", "deeper.zip": zipped({"c.txt": b"sea"}), "n.ndjson": b'"one"\n"two"\n'}),
        "last.txt": b"end",
    }
)


def test_members_rows_and_archives_inside() -> None:
    found = rows(MIXED)
    names = ["docs/a.txt", "docs/photo.png", "inner.zip/b.md", "last.txt"]
    assert [row.file.name for row in found if row.file] == names
    assert [row.file.body for row in found if row.file] == [b"hello", b"\x89PNG\r\n\x1a\n", b"# Bee", b"end"]
    assert [(row.place, row.row.text) for row in found if row.row] == [
        ("data/cities.csv, row 1", "Berlin"),
        ("data/cities.csv, row 2", "Paris"),
        ("inner.zip/n.ndjson, row 1", "one"),
        ("inner.zip/n.ndjson, row 2", "two"),
    ]
    problems = {row.place: row.problem for row in found if row.problem}
    assert "4 cells" in problems["data/cities.csv, row 3"]
    assert "is empty" in problems["empty.txt"]
    assert "one level deep" in problems["inner.zip/deeper.zip"]
    assert len(problems) == 3


def test_reading_begins_behind_any_part() -> None:
    whole = rows(MIXED)
    numbers = [row.number for row in whole]
    assert numbers == sorted(set(numbers))
    for position, number in enumerate(numbers):
        assert rows(MIXED, after=number) == whole[position + 1 :]


class CountingFile(io.BytesIO):
    """Counts the bytes that are read of it."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        self.taken += len(found)
        return found


def test_members_that_lie_before_are_not_unpacked() -> None:
    """Slices of a large archive would otherwise unpack all of it again and again."""
    noise = random.Random(0).randbytes(500_000).hex().encode()
    body = CountingFile(zipped({"a.txt": noise, "b.txt": b"fine", "c.txt": b"last"}))
    found = list(read_rows(ZIP, body, after=2 * MEMBER_STRIDE))
    assert [row.file.name for row in found if row.file] == ["c.txt"]
    assert body.taken < 100_000


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a/../../b", "..\\x"])
def test_names_that_lead_out_refuse_the_archive(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        rows(zipped({"fine.txt": b"x", name: b"x"}))
    assert caught.value.code == "damaged-file"


def test_bombs_are_refused_and_told() -> None:
    with pytest.raises(InvalidInput) as caught:
        rows(zipped({"zeros.txt": b"0" * 30_000_000}))
    assert caught.value.code == "zip-bomb"
    inner = zipped({"zeros.txt": b"0" * 30_000_000})
    found = rows(zipped({"a.txt": b"fine", "inner.zip": inner}, zipfile.ZIP_STORED))
    assert [bool(row.file) for row in found] == [True, False]
    assert "times its size" in found[1].problem


def test_an_encrypted_archive_is_refused() -> None:
    body = bytearray(zipped({"a.txt": b"hello"}))
    at = body.index(b"PK\x01\x02")
    body[at + 8 : at + 10] = struct.pack("<H", 1)
    with pytest.raises(InvalidInput) as caught:
        rows(bytes(body))
    assert caught.value.code == "encrypted"


def test_a_broken_source_within_keeps_the_rows_before() -> None:
    found = rows(zipped({"a.json": b'["one", "two", {]', "b.txt": b"fine"}))
    assert [row.row.text for row in found if row.row] == ["one", "two"]
    assert shown(found)[2][1].startswith("a.json, behind row 2: item 3 is not valid JSON")
    assert found[-1].file is not None
