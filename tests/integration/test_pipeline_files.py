"""Files through the sandbox: what they say of themselves, their pages, archives, and where the time went."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from services.collections.values import FieldSpec, FieldType
from services.errors import ExtractionFailed
from services.index.values import Chunk
from services.ingest.extract import registry
from services.ingest.sandbox.limits import MIB
from services.ingest.sandbox.sandbox import Sandbox
from services.ingest.values import Extracted, FileInput, PageMark, TextInput
from services.ledger.values import DocumentRecord, DocumentState
from tests.conftest import RedisPair
from tests.integration.pipeline_tools import ReadInside, Workshop, make_workshop, reader
from tests.poison import media_type, setting
from tests.processes import wait_until
from tests.unit.ingest.sandbox.tools import SHORT, descendants, server_pid

BOOK = "text/x-book"
PAGES = FieldSpec("pages", FieldType.NUMBER)
DATE = FieldSpec("date", FieldType.DATE)
AUTHOR_AS_NUMBER = FieldSpec("author", FieldType.NUMBER)


@pytest.fixture
def shop(redis_pair: RedisPair, tmp_path: Path) -> Workshop:
    return make_workshop(redis_pair, tmp_path)


def book(body: bytes, tick: Callable[[], None]) -> Extracted:
    """Three pages, the second of them blank."""
    first, third = "The first page tells of otters.", "The last page tells of rivers."
    return Extracted(
        f"{first}\n\n{third}",
        title="The Book",
        warnings=("page 2 is blank",),
        pages=(PageMark(0, 1), PageMark(len(first) + 2, 3)),
        author="A. Writer",
        date="2024-05-06",
        language="en",
    )


def add(shop: Workshop, name: str, body: bytes, **more: object) -> None:
    shop.services.acceptor.add_files(shop.collection, [FileInput(name, body, **more)])  # type: ignore[arg-type]


def add_book(shop: Workshop, **metadata: object) -> DocumentRecord:
    document = TextInput("book", "…", media_type=BOOK, metadata=metadata)
    with reader(BOOK, book):
        shop.services.acceptor.add_texts(shop.collection, [document])
        shop.drain()
    return shop.record("book")


def metadata_of(shop: Workshop, record: DocumentRecord) -> dict[str, object]:
    head = shop.services.index.head(shop.collection, record.doc_hash)
    assert head is not None
    return dict(head.metadata)


def chunks(shop: Workshop, record: DocumentRecord) -> list[Chunk]:
    return list(shop.services.index.chunks(shop.collection, record.doc_hash))  # type: ignore[arg-type]


def test_a_document_says_who_wrote_it_and_its_chunks_where_they_stand(redis_pair: RedisPair, tmp_path: Path) -> None:
    shop = make_workshop(redis_pair, tmp_path, PAGES, DATE, files=ReadInside())
    record = add_book(shop)
    expected = {"author": "A. Writer", "date": "2024-05-06", "language": "en", "pages": 2}
    assert metadata_of(shop, record) == expected
    assert (record.title, record.warnings) == ("The Book", ("page 2 is blank",))
    assert shop.search("otters")[0].passage.page == 1
    assert record.timings is not None


def test_what_the_client_says_wins_and_survives_a_change_of_metadata(redis_pair: RedisPair, tmp_path: Path) -> None:
    shop = make_workshop(redis_pair, tmp_path, PAGES, files=ReadInside())
    add_book(shop, author="Somebody else")
    embedded = shop.texts_embedded()
    record = add_book(shop, author="Corrected", shelf=3)
    assert shop.texts_embedded() == embedded, "the vectors were kept"
    assert metadata_of(shop, record) == {
        "author": "Corrected", "shelf": 3, "date": "2024-05-06", "language": "en", "pages": 2
    }  # fmt: skip
    assert (record.title, record.warnings) == ("The Book", ("page 2 is blank",))


def test_a_value_that_does_not_fit_its_field_is_left_out_and_told(redis_pair: RedisPair, tmp_path: Path) -> None:
    shop = make_workshop(redis_pair, tmp_path, AUTHOR_AS_NUMBER, files=ReadInside())
    record = add_book(shop)
    assert "author" not in metadata_of(shop, record)
    assert record.state is DocumentState.READY
    assert any("author" in warning and "A. Writer" in warning for warning in record.warnings), record.warnings


def test_a_lost_text_is_read_again_with_all_it_said(redis_pair: RedisPair, tmp_path: Path) -> None:
    shop = make_workshop(redis_pair, tmp_path, files=ReadInside())
    add_book(shop)
    for kept in (tmp_path / "extracted").rglob("*.*"):
        kept.unlink()
    record = add_book(shop, shelf=4)
    assert metadata_of(shop, record)["author"] == "A. Writer"
    with reader(BOOK, book):
        assert "otters" in shop.services.documents.text(record)


def test_texts_kept_by_an_earlier_release_are_found(redis_pair: RedisPair, tmp_path: Path) -> None:
    shop = make_workshop(redis_pair, tmp_path, files=ReadInside())
    add_book(shop)
    for kept in (tmp_path / "extracted").rglob("*.json"):
        kept.unlink()
    embedded = shop.texts_embedded()
    record = add_book(shop, shelf=5)
    assert shop.texts_embedded() == embedded
    assert metadata_of(shop, record) == {"shelf": 5}


def zipped(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), body)
    return packed.getvalue()


PAGE = b"<!doctype html><title>Otters</title><main><h1>Otters</h1><p>They live in rivers and eat fish.</p></main>"


def test_an_archive_becomes_a_document_per_file(shop: Workshop) -> None:
    table = b"title,text\nOne,The first row\nTwo,The second row\n"
    body = zipped(
        a__one_html=PAGE, b__two_txt=b"words about stones", c_csv=table, d_png=b"\x89PNG\r\n\x1a\n" + b"x" * 50
    )
    add(shop, "papers/2024.zip", body, metadata={"shelf": 7})
    shop.drain()
    states = shop.states()
    source = next(id for id in states if "#" not in id)
    assert states == {
        source: "ready",
        f"{source}#a/one.html": "ready",
        f"{source}#b/two.txt": "ready",
        f"{source}#c.csv, row 1": "ready",
        f"{source}#c.csv, row 2": "ready",
        f"{source}#d.png": "failed",
    }
    record = shop.record(f"{source}#a/one.html")
    assert (record.title, record.source) == ("Otters", "papers/2024.zip/a/one.html")
    assert metadata_of(shop, record)["shelf"] == 7
    assert shop.search("rivers fish")[0].id == record.id
    assert "no pictures" in shop.record(f"{source}#d.png").error


def test_an_archive_that_comes_again_keeps_what_it_has_and_drops_what_is_gone(shop: Workshop) -> None:
    add(shop, "notes.zip", zipped(one_txt=b"first words", two_txt=b"second words"))
    shop.drain()
    embedded = shop.texts_embedded()
    add(shop, "notes.zip", zipped(zero_txt=b"new words", two_txt=b"second words"))
    shop.drain()
    assert shop.texts_embedded() == embedded + 1, "only the new file was embedded"
    names = {id.partition("#")[2]: state for id, state in shop.states().items()}
    assert names == {"": "ready", "zero.txt": "ready", "two.txt": "ready", "one.txt": "deleted"} or names == {
        "": "ready", "zero.txt": "ready", "two.txt": "ready"
    }  # fmt: skip


def test_names_in_archives_that_are_no_ids_are_hashed(shop: Workshop) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a/" * 80 + "b" * 150 + "/" + "c" * 200 + ".txt", b"far down")
        archive.writestr("seen\u200band unseen.txt", b"hidden characters")
    add(shop, "odd.zip", packed.getvalue())
    shop.drain()
    assert sorted(shop.states().values()) == ["ready"] * 3
    assert all(len(id.encode()) <= 512 for id in shop.states())


def test_a_file_without_text_says_so(shop: Workshop) -> None:
    add(shop, "empty.html", b"<!doctype html><title></title><body><img src=scan.png></body>")
    shop.drain()
    (record,) = (shop.record(id) for id in shop.states())
    assert (record.state, record.error_code, record.attempts) == (DocumentState.FAILED, "no-text", 1)


@pytest.fixture
def poisoned(redis_pair: RedisPair, tmp_path: Path) -> Workshop:
    made = Sandbox(tmp_path / "scratch", SHORT, setting())
    return make_workshop(redis_pair, tmp_path / "data", files=made, extractors=setting())


@pytest.mark.parametrize(
    ("kind", "code", "attempts"),
    [("crash", "extraction-crashed", 2), ("sleep", "extraction-timeout", 1), ("exit", "extraction-no-result", 1)],
)
def test_poison_fails_alone_after_the_attempts_it_is_worth(
    poisoned: Workshop, kind: str, code: str, attempts: int
) -> None:
    documents = [TextInput("poison", "x", media_type=media_type(kind)), TextInput("good", "words")]
    poisoned.services.acceptor.add_texts(poisoned.collection, documents)
    add(poisoned, "page.html", PAGE)
    poisoned.drain()
    record = poisoned.record("poison")
    assert (record.state, record.error_code, record.attempts) == (DocumentState.FAILED, code, attempts)
    assert sorted(poisoned.states().values()) == ["failed", "ready", "ready"]


def test_a_plug_ins_media_type_is_known_to_whoever_accepts(poisoned: Workshop) -> None:
    assert registry.is_readable(media_type("good"))
    add(poisoned, "a.odd", b"some words", media_type=media_type("good"))
    poisoned.drain()
    (record,) = (poisoned.record(id) for id in poisoned.states())
    assert (record.state, record.title) == (DocumentState.READY, "two lines")
    assert metadata_of(poisoned, record) == {"author": "A. Writer", "date": "2024-05-06"}


def test_a_stop_gives_a_file_that_is_being_read_back_with_its_attempt(redis_pair: RedisPair, tmp_path: Path) -> None:
    slow = Sandbox(tmp_path / "scratch", SHORT.__class__(memory_bytes=512 * MIB, silence_s=60.0), setting())
    shop = make_workshop(redis_pair, tmp_path / "data", files=slow, extractors=setting())
    shop.services.acceptor.add_texts(shop.collection, [TextInput("slow", "x", media_type=media_type("sleep"))])

    def is_stopping() -> bool:
        return bool(slow.server_pid and descendants(slow.server_pid))

    report = shop.pipeline(is_stopping=is_stopping).drain(shop.collection.id)
    assert (report.done, report.failed) == (0, 0)
    record = shop.record("slow")
    assert (record.state, record.attempts) == (DocumentState.PENDING, 0)
    assert descendants(server_pid(slow)) == []
    slow.close()


def test_a_large_source_is_taken_slice_by_slice(shop: Workshop) -> None:
    lines = b"".join(b'{"text": "row number %d"}\n' % number for number in range(4500))
    add(shop, "many.ndjson", lines)
    shop.drain()
    assert list(shop.states().values()).count("ready") == 4501
    wait_until(lambda: shop.services.ledger.in_flight(shop.collection.id) == 0, "nothing is left")


def test_what_a_crash_is_called_in_the_api() -> None:
    from web.errors import STATUS_OF

    assert STATUS_OF[ExtractionFailed][0] == 422
