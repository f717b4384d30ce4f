from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.errors import InvalidInput
from services.ingest.extract.zip_guard import ZipLimits, open_zip
from tests.unit.ingest.extract.office_samples import zip_of

CODES = {"read", "damaged-file", "zip-bomb", "encrypted"}
GOOD = zip_of({"a.txt": "one " * 50, "folder/b.txt": "two " * 50})


def refused(body: bytes, *, limits: ZipLimits | None = None) -> str:
    with pytest.raises(InvalidInput) as raised:
        open_zip(body, limits=limits)
    return raised.value.code


def refused_member(body: bytes, name: str) -> str:
    package = open_zip(body)
    with pytest.raises(InvalidInput) as raised:
        package.read(name)
    return raised.value.code


def outcome(body: bytes) -> str:
    try:
        package = open_zip(body)
        for name in package.names:
            package.read(name)
    except InvalidInput as error:
        return error.code
    return "read"


def entry(name: str, mode: int = 0, flags: int = 0) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.create_system = 3
        info.external_attr = mode << 16
        archive.writestr(info, "x")
    body = bytearray(file.getvalue())
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = body.find(signature) + offset
        body[at : at + 2] = struct.pack("<H", flags)
    return bytes(body)


def with_directory(body: bytes, offset: int, form: str, value: int, member: int = 0) -> bytes:
    """``body`` with one field of a directory entry overwritten."""
    at = -1
    for _ in range(member + 1):
        at = body.find(b"PK\1\2", at + 1)
    changed = bytearray(body)
    struct.pack_into(form, changed, at + offset, value)
    return bytes(changed)


def test_gives_what_is_in_it() -> None:
    package = open_zip(io.BytesIO(GOOD))
    assert package.names == ("a.txt", "folder/b.txt")
    assert package.read("a.txt") == b"one " * 50
    assert "a.txt" in package
    assert "c.txt" not in package
    assert (package.size("a.txt"), package.size("c.txt")) == (200, 0)


def test_a_missing_member_is_told() -> None:
    assert refused_member(GOOD, "c.txt") == "damaged-file"


def test_a_thousandfold_bomb_is_refused_by_its_directory() -> None:
    body = zip_of({"bomb.xml": b"\0" * 50_000_000, "other": b"x"})
    with pytest.raises(InvalidInput, match="times its size") as raised:
        open_zip(body)
    assert raised.value.code == "zip-bomb"


def test_small_members_may_shrink_as_they_like() -> None:
    assert open_zip(zip_of({"blank": b" " * 1_000_000})).read("blank") == b" " * 1_000_000


def test_one_bomb_among_solid_members_is_refused_when_it_is_read() -> None:
    solid = zlib.compress(bytes(range(256)) * 4, 0)
    members: dict[str, str | bytes] = {"bomb": b"\0" * 3_000_000}
    for n in range(4):
        file = io.BytesIO()
        state = n + 1
        while file.tell() < 1_100_000:
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            file.write(struct.pack("<Q", state))
        members[f"solid{n}"] = file.getvalue()
    body = zip_of({**members, "tiny": solid})
    package = open_zip(body)
    assert len(package.read("solid1")) > 1_000_000
    with pytest.raises(InvalidInput, match="times its size"):
        package.read("bomb")


def test_more_than_the_total_is_refused() -> None:
    assert refused(GOOD, limits=ZipLimits(total_bytes=399)) == "zip-bomb"
    assert open_zip(GOOD, limits=ZipLimits(total_bytes=400)).names


def test_too_many_entries_are_refused() -> None:
    assert refused(zip_of({f"f{n}": "x" for n in range(2_001)})) == "zip-bomb"


def test_a_directory_that_hides_its_number_of_entries_is_refused() -> None:
    body = bytearray(zip_of({f"{n:04}" + "f" * 600: "x" for n in range(2_001)}))
    end = body.rfind(b"PK\5\6")
    struct.pack_into("<HH", body, end + 8, 1, 1)
    assert refused(bytes(body)) == "zip-bomb"


def test_overlapping_entries_are_refused() -> None:
    body = with_directory(zip_of({"a": b"x" * 99, "b": b"y" * 99}), 42, "<I", 0, member=1)
    assert refused(body) == "zip-bomb"


def test_an_entry_outside_of_the_file_is_refused() -> None:
    assert refused(with_directory(GOOD, 42, "<I", 100_000, member=1)) == "damaged-file"


def test_a_directory_of_endless_names_is_refused() -> None:
    body = zip_of({f"{n}" + "f" * 3000: "x" for n in range(5)})
    assert refused(body, limits=ZipLimits(entries=10)) == "zip-bomb"
    assert open_zip(body).names


@pytest.mark.parametrize("size", [3, 150_000])
def test_a_member_of_another_size_than_declared_is_refused(size: int) -> None:
    assert refused_member(with_directory(GOOD, 24, "<I", size), "a.txt") == "damaged-file"


def test_a_member_that_says_it_is_smaller_is_never_unpacked_further() -> None:
    body = zip_of({"a": b"\0" * 30_000_000})
    body = with_directory(with_directory(body, 24, "<I", 10), 16, "<I", zlib.crc32(b"\0" * 10))
    assert open_zip(body).read("a") == b"\0" * 10


def test_a_zip64_entry_of_a_terabyte_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        info = zipfile.ZipInfo("a")
        info.extra = struct.pack("<HHQQ", 1, 16, 2**40, 5)
        archive.writestr(info, "x")
    body = with_directory(with_directory(file.getvalue(), 24, "<I", 0xFFFFFFFF), 20, "<I", 0xFFFFFFFF)
    assert refused(body) == "zip-bomb"


@pytest.mark.parametrize("name", ["/etc/passwd", "../up", "a/../../up", "C:/x", "..\\up", "\\share", "a/../b"])
def test_names_that_lead_outside_are_refused(name: str) -> None:
    assert refused(entry(name)) == "damaged-file"


def test_links_are_refused() -> None:
    assert refused(entry("link", mode=stat.S_IFLNK | 0o777)) == "damaged-file"


def test_a_name_that_comes_twice_is_refused() -> None:
    body = zip_of({"a1": "x", "a2": "y"}).replace(b"a2", b"a1")
    assert refused(body) == "damaged-file"


def test_encryption_is_named() -> None:
    assert refused(entry("a", flags=1)) == "encrypted"


def test_other_compressions_are_not_read() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a", b"\0" * 1000)
    assert refused_member(file.getvalue(), "a") == "damaged-file"


@pytest.mark.parametrize("body", [b"", b"PK", b"PK\3\4" + b"\0" * 100, GOOD[:-30], GOOD[: len(GOOD) // 2]])
def test_what_is_no_zip_is_told(body: bytes) -> None:
    assert refused(body) == "damaged-file"


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_damage_is_never_more_than_a_refusal(changes: list[tuple[int, int]]) -> None:
    body = bytearray(GOOD)
    for at, value in changes:
        body[at] = value
    assert outcome(bytes(body)) in CODES
