"""Looking through folders: what may not be read is told and hides what is known below it; patterns choose."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.errors import InvalidInput, SourceError
from services.sources.folder import Look, Seen, copy_file, ignored, look_through, opened_folder
from services.sources.globs import check_patterns, matches, wanted

NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="nfs-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@contextmanager
def without_privileges() -> Iterator[None]:
    """As somebody whom the modes of files concern."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def look(folder: Path) -> Look:
    with opened_folder(str(folder), [str(folder)]) as descriptor:
        return look_through(descriptor, [], [])


def test_what_may_not_be_read_hides_what_is_known_of_it(folder: Path) -> None:
    (folder / "open").mkdir(mode=0o755)
    (folder / "open/a.txt").write_text("text")
    (folder / "closed/deep").mkdir(parents=True)
    (folder / "closed/deep/b.txt").write_text("text")
    (folder / "blind").mkdir()
    (folder / "blind/c.txt").write_text("text")
    (folder / "secret.txt").write_text("text")
    (folder / "closed").chmod(0)
    (folder / "blind").chmod(0o444)  # names can be read, files cannot be looked at
    (folder / "secret.txt").chmod(0)
    try:
        with without_privileges():
            found = look(folder)
            seen = found.files[b"secret.txt"]
            with opened_folder(str(folder), [str(folder)]) as descriptor, pytest.raises(SourceError) as caught:
                copy_file(descriptor, b"secret.txt", seen, io.BytesIO(), 100)
    finally:
        for name in ("closed", "blind"):
            (folder / name).chmod(0o755)
    assert caught.value.code == "file-unreadable"
    assert set(found.files) == {b"open/a.txt", b"secret.txt"}
    assert found.hides(b"closed/deep/b.txt")
    assert found.hides(b"blind/c.txt")
    assert not found.hides(b"open/gone.txt")
    assert not found.hides(b"closed.txt")


def test_a_root_that_may_not_be_read_is_an_error(folder: Path) -> None:
    folder.chmod(0)
    with without_privileges(), pytest.raises(SourceError) as caught:
        look(folder)
    folder.chmod(0o755)
    assert caught.value.code == "folder-unreadable"
    assert "Nothing" in caught.value.message


def test_a_file_over_the_limit_is_told(folder: Path) -> None:
    (folder / "a").write_bytes(b"x" * 101)
    with (
        opened_folder(str(folder), [str(folder)]) as descriptor,
        pytest.raises(SourceError, match="101 bytes") as caught,
    ):
        copy_file(descriptor, b"a", Seen(101, 1, 1), io.BytesIO(), 100)
    assert caught.value.code == "too-large"


@pytest.mark.parametrize(
    ("pattern", "path", "is_match"),
    [
        ("*.md", "a.md", True),
        ("*.md", "deep/er/a.md", True),
        ("*.md", "a.mdx", False),
        ("docs/*", "docs/a.md", True),
        ("docs/*", "docs/deep/a.md", False),
        ("docs/**", "docs/deep/a.md", True),
        ("docs/", "docs/deep/a.md", True),
        ("docs/", "other/docs/a.md", False),
        ("**/drafts/*", "drafts/a.md", True),
        ("**/drafts/*", "a/b/drafts/c.md", True),
        ("a/**/z", "a/z", True),
        ("a/**/z", "a/b/c/z", True),
        ("a/**/z", "a/b/c/y", False),
        ("/top.md", "top.md", True),
        ("?.md", "ab.md", False),
        ("**", "anything/at/all", True),
        ("[ab].md", "b.md", True),
    ],
)
def test_patterns(pattern: str, path: str, is_match: bool) -> None:
    assert matches(path, pattern) is is_match


@pytest.mark.timeout(20)
def test_patterns_take_no_longer_for_being_hostile() -> None:
    assert not matches("/".join(["a" * 200] * 20), "/".join(["*a" * 90 + "b"] * 2))
    assert not matches("/".join(["a"] * 1500), "**/a/" * 30 + "b")


def test_choosing() -> None:
    assert wanted("a/b.md", ["*.md"], ["x/*"])
    assert not wanted("a/b.txt", ["*.md"], [])
    assert not wanted("x/b.md", ["*.md"], ["x/*"])
    with pytest.raises(InvalidInput):
        check_patterns(["ok", " "], "/include")


def test_ignored_names() -> None:
    assert all(ignored(name) for name in (".git", "a.SWP", "b~", "~$a.docx", "#a#", "x.crdownload"))
    assert not any(ignored(name) for name in ("a.md", "template", "temporary.txt", "lock"))
