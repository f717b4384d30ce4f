"""A followed folder: what is new, changed and gone there is so in the index; what cannot be seen loses nothing."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.errors import InvalidInput, Unavailable
from services.sources import folder, follow_folder
from services.sources.folder import FileChanged, Seen, copy_file
from services.sources.following import Following
from services.sources.slices import Slice
from services.sources.values import SourceKind, Tally
from tests.conftest import RedisPair
from tests.integration.source_tools import LONG_AGO_S, Follower, make_follower


@pytest.fixture
def follower(redis_pair: RedisPair, tmp_path: Path) -> Iterator[Follower]:
    with make_follower(redis_pair, tmp_path) as made:
        yield made


def test_new_changed_renamed_and_removed_files_are_followed(follower: Follower) -> None:
    for name in ("a.txt", "b.md", "deep/er/c.txt", "d.txt"):
        follower.write(name, f"the text of {name}")
    follower.add(str(follower.root), name="src")
    assert follower.tally("src") == Tally(added=4)
    assert follower.searchable() == {"src/a.txt", "src/b.md", "src/deep/er/c.txt", "src/d.txt"}
    assert follower.tally("src").unchanged == 4

    follower.write("a.txt", "another text of a", LONG_AGO_S + 5)
    (follower.root / "b.md").rename(follower.root / "moved.md")
    (follower.root / "d.txt").unlink()
    os.utime(follower.root / "deep/er/c.txt", (LONG_AGO_S + 9, LONG_AGO_S + 9))  # touched, not changed
    assert follower.tally("src") == Tally(added=1, changed=1, removed=2, unchanged=1)
    assert follower.searchable() == {"src/a.txt", "src/moved.md", "src/deep/er/c.txt"}
    record = follower.api.services.ledger.document(follower.collection.id, "src/deep/er/c.txt")
    assert record is not None
    assert follower.followed("src").status.items == 3


def test_what_is_not_meant_to_be_found_is_passed_over(follower: Follower, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key.txt").write_text("secret")
    for name in (
        "yes.txt", ".hidden", ".git/config", "node_modules/x.txt", "x.tmp", "x.txt~", "~$x.docx", "sub/.env",
        "Thumbs.db",         "__pycache__/a.txt", "draft.bak", "out/no.log", "sub/no.txt", "drafts/deep/no.md",
    ):  # fmt: skip
        follower.write(name, f"text of {name}")
    (follower.root / "link.txt").symlink_to(secret / "key.txt")
    (follower.root / "linked").symlink_to(secret)
    (follower.root / "up").symlink_to("..")
    os.mkfifo(follower.root / "pipe.txt")
    follower.add(str(follower.root), name="src", exclude=["*.log", "sub/*", "drafts/"])
    assert follower.tally("src") == Tally(added=1)
    assert set(follower.documents()) == {"src/yes.txt"}
    follower.add(str(follower.root), name="only", include=["**/*.md"])
    assert follower.tally("only") == Tally(added=1)
    assert "only/drafts/deep/no.md" in follower.documents()


def test_a_folder_that_is_gone_empty_or_another_removes_nothing(follower: Follower, tmp_path: Path) -> None:
    shared = follower.root / "shared"
    follower.write("shared/a.txt", "text")
    follower.add(str(shared), name="src")
    follower.tally("src")
    shared.rename(tmp_path / "unmounted")
    status = follower.look("src")
    assert (status.state, status.error_code, status.items) == ("failed", "folder-unreadable", 1)
    shared.mkdir()  # what an unmounted place looks like
    (tmp_path / "keeps the inode from being used again").mkdir()
    status = follower.look("src")
    assert (status.state, status.error_code) == ("failed", "folder-replaced")
    assert "mounted" in status.error
    follower.write("shared/other.txt", "of another disk")
    assert follower.look("src").error_code == "folder-replaced"
    assert follower.searchable() == {"src/a.txt"}
    shutil.rmtree(shared)
    (tmp_path / "unmounted").rename(shared)
    assert follower.tally("src").removed == 0
    (shared / "a.txt").unlink()  # the known folder, really emptied
    assert follower.tally("src") == Tally(removed=1)
    assert follower.searchable() == set()


def test_what_may_not_be_read_is_kept_and_told(follower: Follower, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused here by hand: to root nothing is unreadable. The real thing is in tests/unit/sources/test_folder.py."""
    follower.write("ok.txt", "text")
    follower.write("closed/a.txt", "text")
    follower.add(str(follower.root), name="src")
    follower.tally("src")
    open_below = folder._open_below

    def refuse(root: int, path: bytes) -> int:
        if path.startswith(b"closed"):
            raise PermissionError(13, "Permission denied")
        return open_below(root, path)

    monkeypatch.setattr(folder, "_open_below", refuse)
    (follower.root / "ok.txt").unlink()
    assert follower.tally("src") == Tally(removed=1)
    assert follower.searchable() == {"src/closed/a.txt"}
    follower.write("closed/b.txt", "more")
    monkeypatch.undo()
    assert follower.tally("src") == Tally(added=1, unchanged=1)


def test_a_refused_file_is_told_once_and_its_old_version_stays(follower: Follower) -> None:
    follower.write("a.txt", "good text")
    follower.write("x.txt", b"\x7fELF\0\0\0\1\2\3" * 50)
    follower.write("b.txt", "more text")
    follower.add(str(follower.root), name="src")
    assert follower.tally("src") == Tally(added=2, failed=1)
    follower.write("a.txt", b"\x7fELF\0\0\0\1\2\3" * 50, LONG_AGO_S + 5)
    assert follower.tally("src").failed == 2
    assert follower.searchable() == {"src/a.txt", "src/b.txt"}
    failed = follower.means.store.failed_items(follower.followed("src").source.id, 5)
    assert [item for item, _ in failed] == ["a.txt", "x.txt"]
    follower.write("x.txt", "now it is text", LONG_AGO_S + 5)
    follower.write("a.txt", "good again", LONG_AGO_S + 7)
    tally = follower.tally("src")
    assert (tally.added, tally.changed, tally.failed) == (1, 1, 0)


def test_a_file_that_is_being_written_waits(follower: Follower) -> None:
    follower.write("now.txt", "half a sen", time.time())
    follower.write("old.txt", "text")
    follower.add(str(follower.root), name="src")
    tally = follower.tally("src")
    assert (tally.added, tally.waiting) == (1, 1)
    os.utime(follower.root / "now.txt", (LONG_AGO_S, LONG_AGO_S))
    assert follower.tally("src").added == 1


@pytest.mark.parametrize("change", ["append", "replace", "shrink", "link", "remove"])
def test_a_file_that_changes_while_it_is_read_is_not_taken(tmp_path: Path, change: str) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"x" * 3_000_000)
    status = file.stat()
    seen = Seen(status.st_size, status.st_mtime_ns, status.st_ino)
    descriptor = os.open(tmp_path, os.O_RDONLY)

    class Target:
        def write(self, block: bytes) -> int:
            if change == "append":
                with file.open("ab") as more:
                    more.write(b"y")
            elif change == "shrink":
                os.truncate(file, 10)
            return len(block)

    if change == "replace":
        file.unlink()
        file.write_bytes(b"y" * 3_000_000)
        os.utime(file, ns=(status.st_mtime_ns, status.st_mtime_ns + 1))
    elif change == "link":
        file.rename(tmp_path / "b.txt")
        file.symlink_to("b.txt")
    elif change == "remove":
        file.unlink()
    try:
        with pytest.raises((FileChanged, Unavailable)):
            copy_file(descriptor, b"a.txt", seen, Target(), 10_000_000)  # type: ignore[arg-type]
    finally:
        os.close(descriptor)


def test_a_crash_between_taking_and_noting_doubles_and_loses_nothing(
    follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow_folder, "BATCH_FILES", 2)
    for number in range(5):
        follower.write(f"{number}.txt", f"text {number}")
    follower.add(str(follower.root), name="src")
    save, calls = follower.means.store.save_items, 0

    def crash(*arguments: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 4:  # the second batch is accepted, and not noted
            raise Unavailable("the ledger is away")
        save(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(follower.means.store, "save_items", crash)
    assert follower.look("src").state == "failed"
    assert len(follower.documents()) == 4
    monkeypatch.setattr(follower.means.store, "save_items", save)
    (follower.root / "3.txt").unlink()  # gone before anything was noted of it but its name
    tally = follower.tally("src")
    assert (tally.added, tally.removed) == (1, 1)
    assert tally.unchanged == 3
    assert follower.searchable() == {f"src/{number}.txt" for number in (0, 1, 2, 4)}


def test_names_of_all_kinds_become_documents(follower: Follower) -> None:
    names = ["ü ß.txt", "a" * 200 + ".txt", "line\nbreak.txt", "zero\u200bwidth.txt", "日本語.md", "q?a#b%20.txt"]
    for name in names:
        follower.write(name, f"text {name!r}")
    raw = os.fsencode(follower.root) + b"/latin\xe9.txt"
    Path(os.fsdecode(raw)).write_bytes(b"text of latin")
    os.utime(raw, (LONG_AGO_S, LONG_AGO_S))
    follower.add(str(follower.root), name="src")
    assert follower.tally("src") == Tally(added=7)
    documents = follower.searchable()
    assert len(documents) == 7
    assert "src/ü ß.txt" in documents
    Path(os.fsdecode(raw)).unlink()
    assert follower.tally("src").removed == 1


@pytest.mark.parametrize("location", ["/etc", "relative", "/", "{root}/../..", "{root}x"])
def test_only_allowed_folders_are_followed(follower: Follower, location: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        follower.add(location.replace("{root}", str(follower.root)), kind=SourceKind.FOLDER)
    assert caught.value.code in ("folder-not-allowed", "bad-location")


def test_a_link_below_the_allowed_folder_leads_nowhere(follower: Follower, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.txt").write_text("secret")
    (follower.root / "sub").symlink_to(outside)
    follower.add(str(follower.root / "sub"), name="src")
    assert follower.look("src").error_code == "folder-unreadable"
    assert follower.documents() == {}


def test_the_own_data_folder_is_not_followed(follower: Follower, tmp_path: Path) -> None:
    data = follower.root / "data"
    shutil.copytree(tmp_path / "data", data)
    follower.write("a.txt", "text")
    follower.add(str(follower.root), name="src")
    rules = follow_folder.FolderRules(follower.means.folders.roots, data, data / "incoming", 1_000_000)
    object.__setattr__(follower.means, "folders", rules)
    assert follower.tally("src") == Tally(added=1)
    follower.add(str(data / "accepted"), name="own")
    assert follower.look("own").error_code == "folder-not-allowed"


@pytest.mark.parametrize("documents", ["keep", "delete"])
def test_a_removed_source_leaves_its_documents_or_takes_them_along(follower: Follower, documents: str) -> None:
    follower.write("a.txt", "text")
    source = follower.add(str(follower.root), name="src").source
    follower.tally("src")
    follower.means.store.ask_for_removal(source.id, delete_documents=documents == "delete")
    assert follower.followed("src").state == "removing"
    following = Following(follower.followed("src"), follower.means)
    following.work(Slice(5))
    assert following.gone
    assert follower.means.store.of_collection(follower.collection.id) == []
    assert follower.searchable() == ({"src/a.txt"} if documents == "keep" else set())


def test_two_sources_of_the_same_file_names_do_not_meet(follower: Follower) -> None:
    follower.write("one/a.txt", "text one")
    follower.write("two/a.txt", "text two")
    follower.add(str(follower.root / "one"))
    follower.add(str(follower.root / "two"))
    assert follower.tally("one").added == follower.tally("two").added == 1
    assert follower.searchable() == {"one/a.txt", "two/a.txt"}


def test_a_document_of_somebody_else_is_neither_changed_nor_removed(follower: Follower) -> None:
    post = "/collections/docs/documents"
    follower.api.call("POST", post, [{"id": "src/a.txt", "text": "a client's own"}, {"id": "src/b.txt", "text": "too"}])
    follower.write("a.txt", "text of the folder")
    follower.write("b.txt", b"\x7fELF\0\1\2\3" * 99)
    follower.write("c.txt", "free")
    source = follower.add(str(follower.root), name="src").source
    tally = follower.tally("src")
    assert (tally.added, tally.failed) == (1, 2)
    failures = dict(follower.means.store.failed_items(source.id, 9))
    assert "belongs already to another document" in failures["a.txt"]
    assert "rename the source" in failures["a.txt"]
    assert follower.tally("src").failed == 2
    record = follower.api.services.ledger.document(follower.collection.id, "src/a.txt")
    assert record is not None
    assert record.kind == "text"

    (follower.root / "a.txt").unlink()
    (follower.root / "b.txt").unlink()
    assert follower.tally("src").removed == 0
    assert follower.searchable() == {"src/a.txt", "src/b.txt", "src/c.txt"}
    follower.write("a.txt", "text of the folder")
    assert follower.tally("src").failed == 1
    follower.means.acceptor.delete(follower.collection, ["src/a.txt"])
    assert (follower.tally("src").added, follower.look("src").tally.failed) == (1, 0)
    follower.means.store.ask_for_removal(source.id, delete_documents=True)
    Following(follower.followed("src"), follower.means).work(Slice(5))
    assert follower.searchable() == {"src/b.txt"}


def test_a_source_that_is_added_again_knows_what_it_left_behind(follower: Follower) -> None:
    follower.write("a.txt", "one")
    source = follower.add(str(follower.root), name="src").source
    follower.tally("src")
    follower.means.store.ask_for_removal(source.id, delete_documents=False)
    Following(follower.followed("src"), follower.means).work(Slice(5))
    follower.write("a.txt", "two", LONG_AGO_S + 5)
    follower.add(str(follower.root), name="src")
    assert follower.tally("src") == Tally(added=1)
    (follower.root / "a.txt").unlink()
    assert follower.tally("src").removed == 1


def test_a_folder_that_is_not_allowed_after_a_restart_says_what_to_do(follower: Follower) -> None:
    follower.write("a.txt", "one")
    follower.add(str(follower.root), name="src")
    follower.tally("src")
    follower.means = replace(follower.means, folders=replace(follower.means.folders, roots=()))
    status = follower.look("src")
    assert (status.error_code, status.items) == ("folder-not-allowed", 1)
    assert "`nearfield up --watch FOLDER` (again" in status.error
    assert "NEARFIELD_SOURCE_FOLDERS" in status.error
