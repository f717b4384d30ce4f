from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli import files
from cli.files import FoundFile, Skipped, find_files, slices
from services.errors import InvalidInput


def write(root: Path, contents: dict[str, bytes]) -> Path:
    for name, content in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def names(paths: list[Path], prefix: str | None = None) -> list[str]:
    return [found.name for found in find_files(paths, prefix) if isinstance(found, FoundFile)]


def reasons(paths: list[Path]) -> dict[str, str]:
    return {Path(found.path).name: found.reason for found in find_files(paths, None) if isinstance(found, Skipped)}


def test_files_are_named_by_folder_and_relative_path_from_wherever_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = write(tmp_path / "notes", {"b.md": b"b", "a/c.txt": b"c"})
    expected = ["notes/a/c.txt", "notes/b.md"]
    assert names([notes]) == expected
    monkeypatch.chdir(tmp_path)
    assert names([Path("notes")]) == expected
    assert names([Path("notes/../notes/")]) == expected
    monkeypatch.chdir(notes)
    assert names([Path()]) == expected
    assert names([Path("b.md")]) == ["b.md"]


def test_a_prefix_takes_the_place_of_the_folders_name(tmp_path: Path) -> None:
    notes = write(tmp_path / "notes", {"b.md": b"b"})
    assert names([notes], "mine") == ["mine/b.md"]
    assert names([notes], "/mine/old/") == ["mine/old/b.md"]
    assert names([notes], "") == ["b.md"]
    assert names([notes / "b.md"], "mine") == ["mine/b.md"]


def test_what_cannot_be_searched_is_passed_over_with_a_reason(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            ".git/config": b"x",
            ".hidden": b"x",
            "photo": b"\x89PNG\r\n\x1a\n\0\0",
            "dump.bin": b"\0\1\2\3" * 40,
            "empty.txt": b"",
            "wide.txt": "wide".encode("utf-16"),
            "good.txt": b"good",
        },
    )
    (tmp_path / "linked").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert names([tmp_path], "x") == ["x/good.txt", "x/wide.txt"]
    assert reasons([tmp_path]) == {
        ".git": "hidden",
        ".hidden": "hidden",
        "photo": "this file cannot be read: it is a PNG image",
        "dump.bin": "this file cannot be read: its content is binary",
        "empty.txt": "the file is empty; there is nothing to search in it",
        "linked": "a link to a folder",
        "pipe": "not a plain file",
    }


def test_what_the_server_reads_is_taken_though_it_is_binary(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "notes.zip", "w") as archive:
        archive.writestr("inside.txt", "words " * 100)
    (tmp_path / "scan.pdf").write_bytes(b"%PDF-1.4\n\0\0binary\n%%EOF")
    assert names([tmp_path], "x") == ["x/notes.zip", "x/scan.pdf"]


def test_a_file_that_is_not_what_its_name_says_is_refused(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"bad.pdf": b"\x89PNG\r\n\x1a\n\0\0", "cut.zip": b"PK\x03\x04 cut off", "photo.png": b"\x89PNG\r\n\x1a\n"},
    )
    found = {Path(entry.path).name: entry for entry in find_files([tmp_path], "") if isinstance(entry, Skipped)}
    assert {name: entry.refused for name, entry in found.items()} == {"bad.pdf": True, "photo.png": False}
    assert found["bad.pdf"].reason == "this file cannot be read: it is a PNG image"


def test_a_hidden_file_that_is_named_is_taken(tmp_path: Path) -> None:
    write(tmp_path, {".profile": b"x"})
    assert names([tmp_path / ".profile"]) == [".profile"]


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")).write_bytes(b"x")
    (found,) = find_files([tmp_path], None)
    assert isinstance(found, Skipped)
    assert found.refused
    assert "not UTF-8" in found.reason


def test_a_link_to_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (found,) = find_files([tmp_path], None)
    assert isinstance(found, Skipped)
    assert found.refused


def test_two_files_of_one_name_are_refused_rather_than_overwritten(tmp_path: Path) -> None:
    write(tmp_path, {"a/notes/x.md": b"1", "b/notes/x.md": b"2"})
    with pytest.raises(InvalidInput, match="overwrite each other") as caught:
        names([tmp_path / "a" / "notes", tmp_path / "b" / "notes"])
    assert "--prefix" in caught.value.message
    assert names([tmp_path / "a" / "notes", tmp_path / "a" / "notes"]) == ["notes/x.md", "notes/x.md"]


@given(sizes=st.lists(st.integers(0, 3 * files.SLICE_BYTES), max_size=300))
@settings(max_examples=60)
def test_slices_keep_every_file_in_order_and_within_the_limits(sizes: list[int]) -> None:
    found = [FoundFile(Path(str(n)), str(n), size) for n, size in enumerate(sizes)]
    parts = list(slices(found))
    assert [file for part in parts for file in part] == found
    for number, part in enumerate(parts):
        size = sum(file.size_bytes for file in part)
        most_files = files.FIRST_SLICE_FILES if number == 0 else files.SLICE_FILES
        most_bytes = files.FIRST_SLICE_BYTES if number == 0 else files.SLICE_BYTES
        assert 1 <= len(part) <= most_files
        assert size <= most_bytes or len(part) == 1
