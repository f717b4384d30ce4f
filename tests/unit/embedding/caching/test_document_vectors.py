from __future__ import annotations

import multiprocessing
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.embedding.caching.document_vectors import DocumentVectorCache, vector_key
from services.embedding.caching.documents import CachedDocuments
from services.embedding.caching.vector_file import VectorFile
from services.embedding.hash_embedder import HashEmbedder
from services.embedding.protocol import Embedder
from services.embedding.spec import Role
from services.errors import InvalidInput

MODEL = HashEmbedder()
DIM = MODEL.spec.dim
MB = 1024 * 1024


class Counting(HashEmbedder):
    """Remembers what went through the model."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.broken = False

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += texts
        vectors = super().embed_documents(texts)
        if self.broken:
            vectors[-1] = np.nan
        return vectors


def expected(texts: Sequence[str]) -> NDArray[np.float32]:
    return MODEL.embed_documents(texts)


def through(folder: Path, model: Embedder, texts: Sequence[str], max_bytes: int = 64 * MB) -> NDArray[np.float32]:
    """As a process that has just been started would embed them."""
    cache = DocumentVectorCache(folder, max_bytes)
    try:
        return CachedDocuments(model, cache).embed_documents(texts)
    finally:
        cache.close()


def database(folder: Path) -> Path:
    return folder / "v1" / "vectors.sqlite"


def test_what_was_embedded_once_never_goes_to_the_model_again(tmp_path: Path) -> None:
    texts = [f"text {number}" for number in range(300)]
    first, second = Counting(), Counting()
    made = through(tmp_path, first, texts)
    again = through(tmp_path, second, [*reversed(texts), "new"])
    assert len(first.asked) == 300
    assert second.asked == ["new"]
    assert np.array_equal(made, expected(texts))
    assert np.array_equal(again, expected([*reversed(texts), "new"])), "in their order, bit for bit"
    assert again.dtype == np.float32
    assert again.flags.writeable


def test_equal_texts_in_a_call_are_embedded_once(tmp_path: Path) -> None:
    model = Counting()
    texts = ["a", "b", "a", "", "a"]
    assert np.array_equal(through(tmp_path, model, texts), expected(texts))
    assert model.asked == ["a", "b", ""]
    assert through(tmp_path, model, []).shape == (0, DIM)


def test_another_fingerprint_role_or_text_is_another_key() -> None:
    spec = MODEL.spec
    other = replace(spec, document_prompt="passage: ")
    keys = {
        vector_key(spec, Role.DOCUMENT, "a"),
        vector_key(spec, Role.QUERY, "a"),
        vector_key(spec, Role.DOCUMENT, "b"),
        vector_key(spec, Role.DOCUMENT, "a "),
        vector_key(other, Role.DOCUMENT, "a"),
        vector_key(replace(spec, file_hashes=(("a", "0" * 64),)), Role.DOCUMENT, "a"),
        vector_key(replace(spec, precision_class="int8"), Role.DOCUMENT, "a"),
    }
    assert len(keys) == 7
    assert vector_key(replace(spec, name="other", source="elsewhere"), Role.DOCUMENT, "a") in keys


def test_a_changed_model_gets_no_old_vector(tmp_path: Path) -> None:
    through(tmp_path, MODEL, ["a"])
    changed = Counting()
    changed.spec = replace(changed.spec, file_hashes=(("algorithm", "1" * 64),))
    through(tmp_path, changed, ["a"])
    assert changed.asked == ["a"]


def test_nothing_is_kept_of_a_call_that_fails(tmp_path: Path) -> None:
    model = Counting()
    model.broken = True
    with pytest.raises(InvalidInput) as poisoned:
        through(tmp_path, model, ["a", "b"])
    assert poisoned.value.code == "bad-vector"
    with pytest.raises(InvalidInput) as refused:
        through(tmp_path, HashEmbedder(), ["a", "half \ud83d"])
    assert refused.value.code == "bad-text"
    sound = Counting()
    through(tmp_path, sound, ["a", "b"])
    assert sound.asked == ["a", "b"]


def test_off_means_that_nothing_is_written(tmp_path: Path) -> None:
    model = Counting()
    for _ in range(2):
        assert np.array_equal(through(tmp_path / "none", model, ["a", "a"], 0), expected(["a", "a"]))
    assert model.asked == ["a"] * 4
    assert not (tmp_path / "none").exists()


@settings(max_examples=20)
@given(
    calls=st.lists(st.lists(st.text("abc \ue000", max_size=4), max_size=12), max_size=12),
    max_bytes=st.sampled_from([1, 30_000, 60_000, MB]),
)
def test_never_another_texts_vector_however_small_the_room(calls: list[list[str]], max_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for texts in calls:
            assert np.array_equal(through(Path(folder), MODEL, texts, max_bytes), expected(texts))


def test_the_oldest_go_when_the_room_is_used(tmp_path: Path) -> None:
    room, dim = 2 * MB, 384
    cache = DocumentVectorCache(tmp_path, room)
    vectors = np.random.default_rng(1).standard_normal((3000, dim)).astype(np.float32)
    keys = [number.to_bytes(32, "big") for number in range(len(vectors))]
    for start in range(0, len(keys), 100):
        cache.put(dict(zip(keys[start : start + 100], vectors[start : start + 100], strict=True)))
        assert database(tmp_path).stat().st_size <= 1.2 * room
    kept = cache.get(keys, dim)
    assert set(kept) == set(keys[-len(kept) :]), "the last ones, without a gap"
    assert 0.75 * room < len(kept) * dim * 4 < room
    assert all(np.array_equal(kept[key], vectors[int.from_bytes(key, "big")]) for key in kept)
    cache.close()
    smaller = DocumentVectorCache(tmp_path, room // 4)
    assert 0 < len(smaller.get(keys, dim)) < len(kept) / 3
    smaller.close()
    assert database(tmp_path).stat().st_size <= 1.2 * room / 4, "a smaller setting gives room back"


def test_a_row_that_was_changed_is_made_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    texts = ["a", "b", "c"]
    through(tmp_path, MODEL, texts)
    key_a, key_b, key_c = (vector_key(MODEL.spec, Role.DOCUMENT, text) for text in texts)
    with sqlite3.connect(database(tmp_path)) as connection:
        rows = dict(connection.execute("SELECT key, packed FROM vectors"))
        flipped = bytearray(rows[key_a])
        flipped[200] ^= 1
        connection.execute("UPDATE vectors SET packed = ? WHERE key = ?", (bytes(flipped), key_a))
        connection.execute("UPDATE vectors SET packed = ? WHERE key = ?", (rows[key_c], key_b))  # another text's
    connection.close()
    model = Counting()
    assert np.array_equal(through(tmp_path, model, texts), expected(texts))
    assert model.asked == ["a", "b"]
    assert "2 cached vectors were damaged" in caplog.text
    assert np.array_equal(through(tmp_path, model, texts), expected(texts))
    assert model.asked == ["a", "b"]


def _ruin_head(path: Path) -> None:
    path.write_bytes(b"this is no database " * 1000)


def _ruin_pages(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:] = random.Random(5).randbytes(len(content) - 4096)
    path.write_bytes(content)


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _other_table(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE vectors")
        connection.execute("CREATE TABLE vectors (something INTEGER)")
    connection.close()


@pytest.mark.parametrize("ruin", [_ruin_head, _ruin_pages, _cut, _other_table])
def test_a_broken_file_is_made_anew(ruin: object, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert callable(ruin)
    texts = [f"text {number}" for number in range(200)]
    through(tmp_path, MODEL, texts)
    ruin(database(tmp_path))
    now_s = 0.0
    cache = DocumentVectorCache(tmp_path, 64 * MB, clock=lambda: now_s)
    for _ in range(3):  # found broken at a look, or at the next; after an error of the disk a pause is made
        assert np.array_equal(CachedDocuments(MODEL, cache).embed_documents(texts), expected(texts))
        now_s += 60
    assert "starts anew" in caplog.text
    model = Counting()
    assert np.array_equal(CachedDocuments(model, cache).embed_documents(texts), expected(texts))
    assert model.asked == []
    assert not list(tmp_path.glob("broken-*"))
    cache.close()


def test_a_broken_file_is_put_away_once(tmp_path: Path) -> None:
    """Who notices late must not put away what another process has made since."""
    late = VectorFile.open(tmp_path)
    VectorFile.discard(tmp_path, late.identity)
    new = VectorFile.open(tmp_path)
    new.put([(b"k", b"v")])
    VectorFile.discard(tmp_path, late.identity)
    assert VectorFile.open(tmp_path).get([b"k"]) == [(b"k", b"v")]
    late.close()


def test_without_a_folder_to_write_to_documents_are_embedded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    now_s = 0.0
    cache = DocumentVectorCache(tmp_path / "file" / "vectors", MB, clock=lambda: now_s)
    for _ in range(3):
        assert np.array_equal(CachedDocuments(MODEL, cache).embed_documents(["a"]), expected(["a"]))
    assert caplog.text.count("embedded without it") == 1, "said once, not for every batch"
    (tmp_path / "file").unlink()
    now_s = 31.0
    model = Counting()
    for _ in range(2):
        CachedDocuments(model, cache).embed_documents(["a"])
    assert model.asked == ["a"], "tried again after the pause"


_FULL_DISK = """
import resource, signal, sys, logging
from pathlib import Path
import numpy as np
from services.embedding.caching.document_vectors import DocumentVectorCache
from services.embedding.caching.documents import CachedDocuments
from services.embedding.hash_embedder import HashEmbedder
logging.basicConfig(stream=sys.stdout)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
cache = DocumentVectorCache(Path(sys.argv[1]), 64 << 20)
model = HashEmbedder()
texts = [f"text {number}" for number in range(600)]
CachedDocuments(model, cache).embed_documents(texts[:50])
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
vectors = CachedDocuments(model, cache).embed_documents(texts)
assert np.array_equal(vectors, model.embed_documents(texts))
print("embedded")
"""


def test_a_disk_without_room_costs_the_cache_alone(tmp_path: Path) -> None:
    assert resource.RLIM_INFINITY in resource.getrlimit(resource.RLIMIT_FSIZE)
    ran = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, str(tmp_path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert "embedded without it" in ran.stdout
    assert ran.stdout.endswith("embedded\n")


def _write_for_ever(folder: str, seed: int) -> None:
    cache = DocumentVectorCache(Path(folder), MB // 4)
    turn = random.Random(seed)
    while True:
        CachedDocuments(MODEL, cache).embed_documents([f"text {turn.randrange(2000)}" for _ in range(40)])


def test_writers_that_are_killed_leave_right_vectors(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Two write and throw out at once, and one dies without a word, again and again."""
    start = multiprocessing.get_context("spawn").Process
    turn = random.Random(3)
    steady = start(target=_write_for_ever, args=(str(tmp_path), 0), daemon=True)
    steady.start()
    cache = DocumentVectorCache(tmp_path, MB // 4)
    for number in range(4):
        victim = start(target=_write_for_ever, args=(str(tmp_path), number + 1), daemon=True)
        victim.start()
        time.sleep(0.8 + turn.random() / 2)  # its start takes about half a second
        assert victim.pid is not None
        os.kill(victim.pid, signal.SIGKILL)
        victim.join()
        texts = [f"text {turn.randrange(2000)}" for _ in range(300)]
        assert np.array_equal(CachedDocuments(MODEL, cache).embed_documents(texts), expected(texts))
    steady.kill()
    steady.join()
    texts = [f"text {number}" for number in range(2000)]
    keys = {vector_key(MODEL.spec, Role.DOCUMENT, text): text for text in texts}
    kept = cache.get(list(keys), DIM)
    assert len(kept) > 100
    assert all(np.array_equal(vector, expected([keys[key]])[0]) for key, vector in kept.items())
    assert "anew" not in caplog.text, "a kill damages nothing"
    cache.close()


def test_threads_share_one_cache(tmp_path: Path) -> None:
    cache = DocumentVectorCache(tmp_path, 64 * MB)
    documents = CachedDocuments(MODEL, cache)

    def embed(seed: int) -> None:
        turn = random.Random(seed)
        for _ in range(10):
            texts = [f"text {turn.randrange(200)}" for _ in range(30)]
            assert np.array_equal(documents.embed_documents(texts), expected(texts))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(embed, range(6)))
    cache.close()


def test_a_forked_process_opens_the_file_for_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = DocumentVectorCache(tmp_path, 64 * MB)
    model = Counting()
    CachedDocuments(model, cache).embed_documents(["a"])
    child = os.fork()
    if child == 0:  # pragma: no cover - the child ends without the tests' own exit
        good = np.array_equal(CachedDocuments(model, cache).embed_documents(["a", "b"]), expected(["a", "b"]))
        own = cache._file is not None and not cache._file.is_foreign()
        os._exit(0 if good and own and model.asked == ["a", "b"] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    CachedDocuments(model, cache).embed_documents(["a", "b"])
    assert model.asked == ["a"], "what the child has put is there"
    cache.close()
    assert caplog.text == ""
