"""Documents from accept to search, on real servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.collections.values import Chunking, FieldSpec, FieldType
from services.errors import InvalidInput, NotFound, TooLarge, UnsupportedMedia
from services.ingest.values import FileInput, TextInput
from services.ledger.values import DocumentState
from tests.conftest import RedisPair
from tests.integration.pipeline_tools import Workshop, make_workshop

YEAR = FieldSpec("year", FieldType.NUMBER)


@pytest.fixture
def shop(redis_pair: RedisPair, tmp_path: Path) -> Workshop:
    return make_workshop(redis_pair, tmp_path, YEAR)


def test_texts_become_searchable_together(shop: Workshop) -> None:
    documents = [TextInput(f"d{n}", f"subject{n} and other words", title=f"Title {n}") for n in range(40)]
    answer = shop.services.acceptor.add_texts(shop.collection, documents)
    assert shop.bells.rung == [shop.collection.id]
    assert shop.drain().done == 40
    assert len(shop.embedded) == 1, "forty documents share one call of the embedder"
    assert shop.counts(answer).ready == 40
    hit = shop.search("subject7")[0]
    assert (hit.id, hit.title, hit.passage.text) == ("d7", "Title 7", "subject7 and other words")
    assert shop.embedded[0][7] == "Title 7\nsubject7 and other words"


def test_passages_point_into_the_text_that_is_given_to_people(shop: Workshop) -> None:
    text = "Päragraph öne.\r\n\r\n" + "\n\n".join(f"Numbered {n} " + "filler " * 60 for n in range(20))
    shop.services.acceptor.add_texts(shop.collection, [TextInput("long", text)])
    shop.drain()
    shown = shop.services.documents.text(shop.record("long"))
    assert "\r" not in shown
    chunks = shop.services.index.chunks(shop.collection, shop.record("long").doc_hash)
    assert len(chunks) > 5
    assert all(shown[chunk.start : chunk.end] == chunk.text for chunk in chunks)
    hit = shop.search("numbered 13 filler")[0].passage
    assert shown[hit.start : hit.end] == hit.text


def test_one_chunk_per_document_is_what_strategy_none_means(redis_pair: RedisPair, tmp_path: Path) -> None:
    shop = make_workshop(redis_pair, tmp_path, chunking=Chunking("none"))
    shop.services.acceptor.add_texts(shop.collection, [TextInput("a", "word " * 2000, title="T")])
    shop.drain()
    (chunk,) = shop.services.index.chunks(shop.collection, shop.record("a").doc_hash)
    assert 200 < len(chunk.text.split()) < 260
    assert shop.embedded[0][0].startswith("T word")


def test_a_change_of_metadata_alone_embeds_nothing(shop: Workshop) -> None:
    def put(year: int, text: str = "some words") -> None:
        shop.services.acceptor.add_texts(shop.collection, [TextInput("a", text, metadata={"year": year})])
        shop.drain()

    put(2001)
    put(2002)
    assert shop.texts_embedded() == 1
    assert [hit.id for hit in shop.search("words", filter={"field": "year", "eq": 2002})] == ["a"]
    assert not shop.search("words", filter={"field": "year", "eq": 2001})
    put(2002, "other words")
    assert shop.texts_embedded() == 2
    put(2002)
    assert shop.search("words")[0].passage.text == "some words", "A, B, A ends as A"


def test_what_was_accepted_before_is_not_worked_on_again(shop: Workshop) -> None:
    files = [FileInput(f"folder/{n}.md", f"# Title {n}\n\ntext {n}".encode()) for n in range(5)]
    shop.services.acceptor.add_files(shop.collection, files)
    shop.drain()
    again = shop.services.acceptor.add_files(shop.collection, files)
    assert {taken.outcome for taken in again.documents} == {"unchanged"}
    assert shop.drain().done == 0
    assert len(shop.states()) == 5


def test_files_of_each_kind(shop: Workshop) -> None:
    files = [
        FileInput("notes/plain.txt", b"plain words about gardening"),
        FileInput("notes/a.md", b"# Markdown title\n\n## Part\n\nwords about **music**"),
        FileInput("notes/a.html", b"<title>Page title</title><p>words about <b>sailing</b></p>"),
        FileInput("notes/a.rst", b"Rest title\n==========\n\nwords about ``cooking``\n"),
        FileInput("notes/a.json", b'{"title": "Object title", "text": "words about law", "year": 1999}'),
        FileInput("notes/dir/cp1252.txt", "Worte über Bücher und mehr".encode("cp1252")),
    ]
    answer = shop.services.acceptor.add_files(shop.collection, files)
    shop.drain()
    records = {record.source: record for record in map(shop.record, (taken.id for taken in answer.documents))}
    assert {name: record.title for name, record in records.items()} == {
        "notes/plain.txt": "plain.txt",
        "notes/a.md": "Markdown title",
        "notes/a.html": "Page title",
        "notes/a.rst": "Rest title",
        "notes/a.json": "Object title",
        "notes/dir/cp1252.txt": "cp1252.txt",
    }
    assert shop.services.documents.text(records["notes/a.html"]) == "words about sailing"
    original = shop.services.documents.original(records["notes/a.html"])
    assert (original.size, original.media_type, original.file_name) == (len(files[2].body), "text/html", "a.html")
    assert original.read() == files[2].body
    assert records["notes/dir/cp1252.txt"].warnings == ("not UTF-8: read as cp1252",)
    assert shop.search("music")[0].passage.heading == "Part"
    assert [hit.title for hit in shop.search("law", filter={"field": "year", "lt": 2000})] == ["Object title"]


def test_a_lost_extracted_text_is_read_again(shop: Workshop, tmp_path: Path) -> None:
    (taken,) = shop.services.acceptor.add_files(shop.collection, [FileInput("a.md", b"*some* words")]).documents
    shop.drain()
    (kept,) = (tmp_path / "extracted").rglob("*.z")
    kept.write_bytes(b"damaged")
    assert shop.services.documents.text(shop.record(taken.id)) == "some words"
    kept.unlink()
    assert shop.services.documents.text(shop.record(taken.id)) == "some words"


def test_a_deleted_document_is_gone_with_its_text(shop: Workshop, tmp_path: Path) -> None:
    (taken,) = shop.services.acceptor.add_files(shop.collection, [FileInput("a.md", b"*some* words")]).documents
    shop.drain()
    answer = shop.services.acceptor.delete(shop.collection, [taken.id, "never there"])
    assert [document.outcome for document in answer.documents] == ["accepted", "unchanged"]
    shop.drain()
    assert shop.record(taken.id).state is DocumentState.DELETED
    assert not shop.search("words")
    assert not list((tmp_path / "extracted").rglob("*.z"))
    with pytest.raises(NotFound):
        shop.services.documents.text(shop.record(taken.id))
    with pytest.raises(NotFound):
        shop.services.documents.original(shop.record(taken.id))


def test_an_update_leaves_no_old_text_behind(shop: Workshop, tmp_path: Path) -> None:
    for body in (b"*one*", b"*two*"):
        shop.services.acceptor.add_files(shop.collection, [FileInput("a.md", body)])
        shop.drain()
    assert len(list((tmp_path / "extracted").rglob("*.z"))) == 1
    assert [hit.passage.text for hit in shop.search("one two")] == ["two"]


def test_a_document_with_a_title_alone_is_found_by_it(shop: Workshop) -> None:
    shop.services.acceptor.add_texts(shop.collection, [TextInput("a", " \n", title="Lonely heading")])
    shop.drain()
    assert shop.search("lonely heading")[0].id == "a"


def test_a_file_without_text_fails_with_a_reason(shop: Workshop) -> None:
    (taken,) = shop.services.acceptor.add_files(shop.collection, [FileInput("a.html", b"<p></p>")]).documents
    assert shop.drain().failed == 1
    record = shop.record(taken.id)
    assert (record.state, record.error_code, record.attempts) == (DocumentState.FAILED, "no-text", 1)
    with pytest.raises(NotFound, match="no text was found"):
        shop.services.documents.text(record)


@pytest.mark.parametrize(
    ("given", "error", "code", "pointer"),
    [
        (TextInput("a\n", "x"), InvalidInput, "bad-document-id", "/1/id"),
        (TextInput("", "x"), InvalidInput, "bad-document-id", "/1/id"),
        (TextInput("a", "\ud800"), InvalidInput, "lone-surrogate", "/1/text"),
        (TextInput("a", "x", title="\udfff"), InvalidInput, "lone-surrogate", "/1/title"),
        (TextInput("a", " "), InvalidInput, "no-text", "/1/text"),
        (TextInput("a", "\x00"), InvalidInput, "no-text", "/1/text"),
        (TextInput("a", "x" * 3000), TooLarge, "text-too-large", "/1/text"),
        (TextInput("a", "x", title="t" * 1001), TooLarge, "title-too-long", "/1/title"),
        (TextInput("a", "x", url="javascript:alert(1)"), InvalidInput, "bad-url", "/1/url"),
        (TextInput("a", "x", url="http://e/" + "x" * 2000), InvalidInput, "bad-url", "/1/url"),
        (TextInput("a", "x", metadata={"year": "2020"}), InvalidInput, "bad-number", "/1/metadata/year"),
        (
            TextInput("a", "x", media_type="application/pdf"),
            UnsupportedMedia,
            "unsupported-media-type",
            "/1/media_type",
        ),
        (TextInput("first", "x"), InvalidInput, "doubled-id", "/documents/1/id"),
    ],
)
def test_a_bad_text_refuses_the_whole_request(
    redis_pair: RedisPair, tmp_path: Path, given: TextInput, error: type[Exception], code: str, pointer: str
) -> None:
    shop = make_workshop(redis_pair, tmp_path, YEAR, max_document_bytes=2048)
    with pytest.raises(error) as caught:
        shop.services.acceptor.add_texts(shop.collection, [TextInput("first", "fine"), given])
    assert (caught.value.code, caught.value.pointer) == (code, pointer)  # type: ignore[attr-defined]
    assert shop.states() == {}
    assert not list((tmp_path / "accepted").rglob("*.nfe"))


def test_a_bad_file_is_named_and_nothing_is_taken(shop: Workshop) -> None:
    good = FileInput("good.txt", b"fine")
    bad = [
        FileInput("dir/empty.txt", b""),
        FileInput("dir/program.txt", b"\x7fELF" + bytes(60)),
        FileInput("dir/broken.json", b'{"a": '),
        FileInput("dir/year.json", b'{"text": "x", "year": "soon"}'),
    ]
    for file in bad:
        with pytest.raises(InvalidInput, match=f"^{file.name}: "):
            shop.services.acceptor.add_files(shop.collection, [good, file])
    assert shop.states() == {}
    problems = shop.services.acceptor.problems(shop.collection, [good, *bad])
    assert [problem is None for problem in problems] == [True, False, False, False, False]
    with pytest.raises(InvalidInput, match="same document"):
        shop.services.acceptor.add_files(shop.collection, [good, FileInput(".//good.txt", b"again")])


def test_a_request_that_comes_again_makes_no_second_document(shop: Workshop) -> None:
    def send() -> str:
        answer = shop.services.acceptor.add_texts(shop.collection, [TextInput(None, "no id")], request_id="key")
        return answer.documents[0].id

    assert send() == send()
    assert len(shop.states()) == 1


def test_a_deleted_collection_takes_nothing_more_though_it_is_not_cleared_yet(
    redis_pair: RedisPair, tmp_path: Path
) -> None:
    shop = make_workshop(redis_pair, tmp_path)
    shop.services.collections.delete(shop.collection.name)
    with pytest.raises(NotFound, match="deleted"):
        shop.services.acceptor.add_texts(shop.collection, [TextInput("a", "too late")])


def test_a_text_of_nothing_visible_is_no_text(redis_pair: RedisPair, tmp_path: Path) -> None:
    shop = make_workshop(redis_pair, tmp_path)
    with pytest.raises(InvalidInput) as caught:
        shop.services.acceptor.add_texts(shop.collection, [TextInput("a", "\u200b\u200d \ufeff")])
    assert caught.value.code == "no-text"
