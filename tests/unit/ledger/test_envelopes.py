"""Envelopes: what is stored comes back, whatever else happens to the file is noticed."""

from __future__ import annotations

import io
import resource
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.errors import NearfieldError, StorageFull, Unavailable
from services.ledger.envelope_format import EnvelopeHeader
from services.ledger.envelopes import EnvelopeStore
from services.ledger.values import DocumentKind, NewDocument

HEADER = EnvelopeHeader(
    collection_id="abcdefghijkm",
    created_us=1_795_000_000_000_000,
    job_id="job",
    generation=1_795_000_000_000_001,
    mode="join",
    label="three — ünï",
    request_id="key",
    request_hash="hash",
)
GENERATION = HEADER.generation

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
plain = st.text(st.characters(codec="utf-8"), max_size=20)
documents = st.builds(
    NewDocument,
    id=plain,
    kind=st.sampled_from(DocumentKind),
    body=st.binary(max_size=300),
    media_type=plain,
    title=plain,
    url=plain,
    source=plain,
    metadata=st.dictionaries(plain, json_values, max_size=3),
    text_hash=plain,
    full_hash=plain,
    parent=plain,
)


@pytest.fixture
def store(tmp_path: Path) -> EnvelopeStore:
    return EnvelopeStore(tmp_path / "accepted")


def text(id: str, body: bytes = b"words") -> NewDocument:
    return NewDocument(id=id, kind=DocumentKind.TEXT, body=body)


def opened(store: EnvelopeStore, reference: str) -> io.BufferedReader:
    body = store.open_document(reference).document.body
    assert isinstance(body, io.BufferedReader)
    return body


def file_of(store: EnvelopeStore) -> Path:
    (path,) = store.folder.glob("*/*.nfe")
    return path


@settings(max_examples=40, deadline=None)
@given(given=st.lists(documents, min_size=1, max_size=4))
def test_everything_given_comes_back(tmp_path_factory: pytest.TempPathFactory, given: list[NewDocument]) -> None:
    store = EnvelopeStore(tmp_path_factory.mktemp("store"))
    references = store.write(HEADER, [(document, GENERATION) for document in given])
    for document, reference in zip(given, references, strict=True):
        stored = store.read(reference)
        assert stored.document == document
        assert (stored.collection_id, stored.generation) == (HEADER.collection_id, GENERATION)
        with opened(store, reference) as body:
            assert body.read() == document.body
    header, replayed = store.replay(references[0].partition(":")[0])
    assert header == HEADER
    assert [stored.document for stored in replayed] == given


def test_a_document_is_read_without_the_rest(store: EnvelopeStore) -> None:
    """One of a thousand: whatever harm came to the others, this one is read."""
    references = store.write(HEADER, [(text(f"n{number}", b"x" * 100), GENERATION) for number in range(1000)])
    path = file_of(store)
    data = bytearray(path.read_bytes())
    here = int(references[500].partition(":")[2])
    following = int(references[501].partition(":")[2])
    path.write_bytes(b"\0" * here + data[here:following])
    assert store.read(references[500]).document == text("n500", b"x" * 100)
    for other in (references[499], references[501]):
        with pytest.raises(NearfieldError) as caught:
            store.read(other)
        assert caught.value.code == "envelope-damaged"


def test_any_changed_byte_is_noticed(store: EnvelopeStore) -> None:
    references = store.write(HEADER, [(text("a", b"some words"), GENERATION), (text("b"), GENERATION)])
    path = file_of(store)
    data = path.read_bytes()
    name = path.stem
    starts = [int(reference.partition(":")[2]) for reference in references]
    for position in range(len(data)):
        path.write_bytes(data[:position] + bytes([data[position] ^ 0x41]) + data[position + 1 :])
        with pytest.raises(NearfieldError) as caught:
            list(store.replay(name)[1])
        assert caught.value.code == "envelope-damaged"
        if starts[0] <= position < starts[1]:
            for read in (store.read, store.open_document):
                with pytest.raises(NearfieldError) as caught:
                    read(references[0])
                assert caught.value.code == "envelope-damaged"
    path.write_bytes(data)
    assert len(list(store.replay(name)[1])) == 2


def test_any_truncation_is_noticed(store: EnvelopeStore) -> None:
    (reference,) = store.write(HEADER, [(text("a", b"some words"), GENERATION)])
    path = file_of(store)
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(NearfieldError) as caught:
            list(store.replay(path.stem)[1])
        assert caught.value.code == "envelope-damaged"
    path.write_bytes(data[:-1])
    assert store.read(reference).document.body == b"some words"


def test_documents_that_are_swapped_or_dropped_are_noticed(store: EnvelopeStore) -> None:
    references = store.write(HEADER, [(text("a"), GENERATION), (text("b"), GENERATION)])
    path = file_of(store)
    data = path.read_bytes()
    first, second = (int(reference.partition(":")[2]) for reference in references)
    end = second + (second - first)
    for changed in (
        data[:first] + data[second:end] + data[first:second] + data[end:],
        data[:first] + data[second:],
        data[:second] + data[first:second] + data[second:],
    ):
        path.write_bytes(changed)
        with pytest.raises(NearfieldError):
            list(store.replay(path.stem)[1])


@pytest.mark.parametrize(
    "reference",
    ["", "x", "../../etc/passwd:0", "1795000000000000-0123456789abcdef", "1795000000000000-0123456789abcdef:-1"],
)
def test_references_that_are_none(store: EnvelopeStore, reference: str) -> None:
    with pytest.raises(NearfieldError) as caught:
        store.read(reference)
    assert caught.value.code == "envelope-damaged"


def test_a_missing_envelope(store: EnvelopeStore) -> None:
    for call in (
        lambda: store.read("1795000000000000-0123456789abcdef:9"),
        lambda: store.replay("1795000000000000-0123456789abcdef"),
    ):
        with pytest.raises(NearfieldError) as caught:
            call()
        assert caught.value.code == "envelope-missing"


class TestALargeBody:
    BODY = bytes(range(256)) * 40_000

    @pytest.fixture
    def body(self, store: EnvelopeStore) -> Iterator[io.BufferedReader]:
        given = [
            (text("before", b"x" * 99), GENERATION),
            (text("large", self.BODY), GENERATION),
            (text("after"), GENERATION),
        ]
        with opened(store, store.write(HEADER, given)[1]) as body:
            yield body

    def test_is_read_in_pieces(self, body: io.BufferedReader) -> None:
        pieces = []
        while piece := body.read(77_777):
            pieces.append(piece)
        assert b"".join(pieces) == self.BODY

    def test_is_gone_on_with_from_a_cursor(self, body: io.BufferedReader) -> None:
        for cursor in (0, 1, 256 * 7 + 3, len(self.BODY) - 1, len(self.BODY), len(self.BODY) + 5):
            assert body.seek(cursor) == cursor
            assert body.read(10) == self.BODY[cursor : cursor + 10]
        assert body.seek(-3, io.SEEK_END) == len(self.BODY) - 3
        assert body.read() == self.BODY[-3:]
        assert body.tell() == len(self.BODY)

    def test_gives_lines(self, store: EnvelopeStore) -> None:
        (reference,) = store.write(HEADER, [(text("rows", b'{"a":1}\n\n{"b":2}'), GENERATION)])
        with opened(store, reference) as body:
            assert list(body) == [b'{"a":1}\n', b"\n", b'{"b":2}']


class TestADiskThatIsFull:
    def test_takes_nothing_and_leaves_nothing(self, store: EnvelopeStore) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
        try:
            with pytest.raises(StorageFull) as caught:
                store.write(HEADER, [(text("a", b"x" * 100_000), GENERATION)])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert caught.value.retryable
        assert not [path for path in store.folder.glob("*/*") if path.is_file()]
        assert store.is_empty()

    def test_is_not_blamed_for_a_folder_that_is_gone(self, store: EnvelopeStore) -> None:
        for path in store.folder.glob("*"):
            path.rmdir()
        with pytest.raises(Unavailable) as caught:
            store.write(HEADER, [(text("a"), GENERATION)])
        assert caught.value.code == "storage-unavailable"


def test_files_are_private(store: EnvelopeStore) -> None:
    store.write(HEADER, [(text("a"), GENERATION)])
    assert file_of(store).stat().st_mode & 0o077 == 0


def test_many_writers_at_once(store: EnvelopeStore) -> None:
    references: list[str] = []

    def write(number: int) -> None:
        references.extend(store.write(HEADER, [(text(f"n{number}"), GENERATION)]))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(store.read(reference).document.id for reference in references) == [f"n{n}" for n in range(8)]
    assert sum(len(store.names(shard)) for shard in range(256)) == 8


def test_discarding_and_sweeping(store: EnvelopeStore) -> None:
    (reference,) = store.write(HEADER, [(text("a"), GENERATION)])
    name = reference.partition(":")[0]
    shard = int(name[-2:], 16)
    asked: list[str] = []

    def condemn(names: list[str]) -> list[str]:
        asked.extend(names)
        return []

    hour = 3_600_000_000
    assert store.sweep(shard, now_us=HEADER.created_us + hour, condemn=condemn) == 0
    assert asked == []
    assert store.sweep(shard, now_us=HEADER.created_us + hour + 1, condemn=condemn) == 0
    assert asked == [name]
    assert store.sweep((shard + 1) % 256, now_us=HEADER.created_us + 2 * hour, condemn=lambda names: names) == 0
    assert store.sweep(shard, now_us=HEADER.created_us + 2 * hour, condemn=lambda names: names) == 1
    assert store.is_empty()
    store.discard(name)
