"""Backup and restore with real servers: what comes back is what was acknowledged at the stated moment."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import tarfile
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cli import backing
from cli.backing import make_backup, restore_backup
from cli.models import models_of
from services.backup.capture import captured
from services.backup.manifest import Member, decode_manifest, encode_manifest
from services.collections.store import NewCollection
from services.errors import Conflict, InvalidInput, NearfieldError
from services.redis_clients import BULK
from services.settings import Settings, load_settings
from services.wiring import build_services
from tests.conftest import RedisPair, make_redis_pair
from tests.integration.pipeline_tools import Workshop
from tests.integration.recovery_tools import add, full_shop, look, standing
from tests.integration.up_tools import UpProcess, run_cli
from tests.processes import Product, wait_until
from tests.unit.embedding.installing.tools import small_model


def silent(*_arguments: Any) -> None:
    pass


def settings_of(folder: Path, pair: RedisPair | None = None) -> Settings:
    urls = {} if pair is None else {"ledger_url": pair.ledger.url, "index_url": pair.index.url}
    return load_settings({}, data_dir=folder, model="hash", **urls)


def backup(folder: Path, pair: RedisPair | None, target: Path) -> Any:
    return make_backup(settings_of(folder, pair), target, product="nearfield test", replace=False, progress=silent)


@pytest.fixture
def shop(redis_pair: RedisPair, tmp_path: Path) -> Workshop:
    return full_shop(redis_pair, tmp_path / "here")


@pytest.fixture
def other_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisPair]:
    folder = Path(tempfile.mkdtemp(prefix="nft-"))
    pair = make_redis_pair(folder)
    yield pair
    pair.ledger.kill()
    pair.index.kill()
    shutil.rmtree(folder, ignore_errors=True)


def test_the_restored_set_is_the_acknowledged_set(
    shop: Workshop, redis_pair: RedisPair, other_pair: RedisPair, tmp_path: Path
) -> None:
    before = standing(shop)
    header = backup(tmp_path / "here", redis_pair, tmp_path / "b.tgz")
    add(shop, "later", "a", text="after the moment")
    restored = restore_backup(
        settings_of(tmp_path / "there", other_pair), tmp_path / "b.tgz", tell=silent, progress=silent
    )
    assert restored.header == header
    assert restored.made.report.complete
    there = same_shop_at(shop, other_pair, tmp_path / "there")
    assert there.services.collections.list() == [shop.collection]
    now = standing(there)
    assert now.keys() == before.keys()
    for id, (state, wanted, _, code) in before.items():
        assert now[id][1] == wanted, id
        assert now[id][0] == (state if state in ("failed", "cancelled", "deleted") else "pending"), id
        assert now[id][3] == code, id
    there.services.index.create(shop.collection)
    there.drain()
    there.drain()
    assert standing(there) == before
    assert look(there) == ""
    for id in before:
        if before[id][0] == "ready":
            stored = shop.services.envelopes.read(shop.record(id).envelope) if id != "a" else None
            assert stored is None or there.services.envelopes.read(there.record(id).envelope) == stored
    instance = (tmp_path / "there/accepted/INSTANCE").read_text()
    assert instance != (tmp_path / "here/accepted/INSTANCE").read_text()
    assert not (tmp_path / "here/backup-staging").exists()


@pytest.mark.parametrize("without", [False, True])
def test_a_model_trained_here_comes_back_with_its_collection(
    shop: Workshop, redis_pair: RedisPair, tmp_path: Path, without: bool
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    models = models_of(settings_of(here, redis_pair))
    spec = models.pull(str(small_model(tmp_path / "made")), "ours").spec
    assert spec is not None
    shop.services.collections.create(NewCollection("with-ours", "ours", spec.fingerprint, spec.dim))
    settings = settings_of(here, redis_pair)
    header = make_backup(settings, tmp_path / "b.tgz", product="x", replace=False, progress=silent, models=not without)
    assert (header.models, header.without_models) == (int(not without), without)
    code, report, stderr = run_cli("http://127.0.0.1:1", "restore", str(tmp_path / "b.tgz"), "--data-dir", str(there))
    assert code == 0, stderr
    needed = [(each["collection"], each["model"]) for each in report["models_needed"]]
    assert needed == ([("with-ours", "ours")] if without else [])
    if not without:
        found = models_of(settings_of(there)).describe("ours")
        assert (found.spec, found.problem, found.used_by) == (spec, "", ("with-ours",))
    assert not (here / "backup-staging").exists()


def same_shop_at(shop: Workshop, pair: RedisPair, folder: Path) -> Workshop:
    """The same shop on other servers."""
    services = build_services(settings_of(folder, pair), doorbell=shop.bells, profile=BULK)
    return replace(shop, services=replace(services, models=shop.services.models))


def test_nothing_is_cleared_away_while_a_backup_holds_it(shop: Workshop, tmp_path: Path) -> None:
    ledger, accepted = shop.services.ledger, shop.services.envelopes.folder
    with captured(ledger, accepted, tmp_path / "here" / "staging") as found:
        held = {path.name for path in found.folder.glob("*/*.nfe")}
        assert held == {f"{name}.nfe" for name in found.envelopes}
        assert found.moment_us > 0
    assert not (tmp_path / "here" / "staging").exists()
    ledger.link.run("capture", "token", 60_000)
    assert ledger.condemn(["1700000000000000-0123456789abcdef"]) == []
    ledger.link.run("pin", "token", 0)
    assert ledger.condemn(["1700000000000000-0123456789abcdef"]) == ["1700000000000000-0123456789abcdef"]


def test_without_links_the_files_are_read_where_they_lie(
    shop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_paths: Any) -> None:
        raise PermissionError(1, "no links here")

    monkeypatch.setattr(os, "link", no_links)
    ledger, accepted = shop.services.ledger, shop.services.envelopes.folder
    with captured(ledger, accepted, tmp_path / "here" / "staging") as found:
        assert found.folder == accepted
        assert ledger.condemn(["1700000000000000-0123456789abcdef"]) == []


@pytest.mark.parametrize("what", ["folder", "inside", "exists", "altered"])
def test_what_a_backup_and_a_restore_refuse(shop: Workshop, redis_pair: RedisPair, tmp_path: Path, what: str) -> None:
    target = tmp_path / "b.tgz"
    backup(tmp_path / "here", redis_pair, target)
    if what == "inside":
        with pytest.raises(Conflict, match="lost with it"):
            backup(tmp_path / "here", redis_pair, tmp_path / "here" / "b.tgz")
    elif what == "exists":
        with pytest.raises(Conflict, match="exists already"):
            backup(tmp_path / "here", redis_pair, target)
    elif what == "folder":
        (tmp_path / "there").mkdir()
        (tmp_path / "there" / "mine").write_text("keep")
        with pytest.raises(Conflict, match="not empty"):
            restore_backup(settings_of(tmp_path / "there"), target, tell=silent, progress=silent)
        assert [path.name for path in (tmp_path / "there").iterdir()] == ["mine"]
    else:
        data = bytearray(target.read_bytes())
        # one bit may be padding between two blocks of the compression, and then nothing is altered
        middle = len(data) // 2
        data[middle : middle + 16] = bytes(byte ^ 0xFF for byte in data[middle : middle + 16])
        target.write_bytes(data)
        with pytest.raises(NearfieldError, match="Nothing was restored"):
            restore_backup(settings_of(tmp_path / "there"), target, tell=silent, progress=silent)
        assert not (tmp_path / "there").exists()


@pytest.mark.parametrize("name", ["marks.ndjson", "ledger-keys.ndjson"])
def test_what_cannot_be_put_into_the_ledger_leaves_the_folder_empty(
    shop: Workshop, redis_pair: RedisPair, other_pair: RedisPair, tmp_path: Path, name: str
) -> None:
    good, bad = tmp_path / "good.tgz", tmp_path / "bad.tgz"
    header = backup(tmp_path / "here", redis_pair, good)
    with tarfile.open(good) as tar:
        members = {info.name: tar.extractfile(info).read() for info in tar}  # type: ignore[union-attr]
    last = members.pop("manifest.json")
    members[name] = members.get(name, b"") + b'{"collection_id": 1}\n'
    members["backup.json"] = replace(header, size=header.size + 100).encode()
    listed = {one: Member(len(data), hashlib.sha256(data).hexdigest()) for one, data in members.items()}
    assert decode_manifest(last).keys() <= listed.keys()
    with tarfile.open(bad, "w:gz") as tar:
        for one, data in {**members, "manifest.json": encode_manifest(listed)}.items():
            info = tarfile.TarInfo(one)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    settings = settings_of(tmp_path / "there", other_pair)
    with pytest.raises(InvalidInput, match=f"{name} holds something else") as caught:
        restore_backup(settings, bad, tell=silent, progress=silent)
    assert caught.value.code == "damaged-backup"
    assert not (tmp_path / "there").exists()
    assert restore_backup(settings, good, tell=silent, progress=silent).made.report.complete


def test_an_error_while_the_ledger_is_made_leaves_the_folder_empty(
    shop: Workshop, redis_pair: RedisPair, other_pair: RedisPair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup(tmp_path / "here", redis_pair, tmp_path / "b.tgz")
    settings = settings_of(tmp_path / "there", other_pair)

    def broken(*_arguments: Any) -> None:
        raise NearfieldError("the server went away")

    with monkeypatch.context() as patched:
        patched.setattr(backing, "rebuild_ledger", broken)
        with pytest.raises(NearfieldError, match="went away"):
            restore_backup(settings, tmp_path / "b.tgz", tell=silent, progress=silent)
    assert not (tmp_path / "there").exists()
    assert restore_backup(settings, tmp_path / "b.tgz", tell=silent, progress=silent).made.report.complete


def test_a_backup_during_ingest_and_kills_restores_what_was_acknowledged(
    private_redis_pair: RedisPair, tmp_path: Path
) -> None:
    """F27: the client's own journal says what was acknowledged before the moment and what after."""
    product = Product(private_redis_pair, tmp_path / "product")
    journal: list[tuple[str, float, float]] = []
    over = threading.Event()

    def client() -> None:
        for number in range(4000):
            if over.is_set():
                return
            body = [{"id": f"d{number}-{row}", "text": f"words {number} {row}"} for row in range(5)]
            sent = time.time()
            status, _ = product.call("POST", "/api/v1/collections/docs/documents", body)
            if status == 202:
                journal.extend((document["id"], sent, time.time()) for document in body)
            else:
                time.sleep(0.05)

    def kill() -> None:
        product.worker.kill(signal.SIGKILL)
        product.web.kill(signal.SIGKILL)

    try:
        product.start()
        assert product.call("POST", "/api/v1/collections", {"name": "docs"})[0] == 201
        thread = threading.Thread(target=client)
        thread.start()
        wait_until(lambda: len(journal) > 200, "some documents are acknowledged")
        killer = threading.Timer(0.05, kill)
        killer.start()
        header = backup(tmp_path / "product" / "data", private_redis_pair, tmp_path / "b.tgz")
        killer.join()
        over.set()
        thread.join(60)
    finally:
        over.set()
        product.stop()
    moment = header.moment_us / 1_000_000
    must = {id for id, _, answered in journal if answered < moment}
    may = {id for id, sent, _ in journal if sent <= moment}
    assert len(must) > 100
    target = tmp_path / "there"
    code, report, stderr = run_cli("http://127.0.0.1:1", "restore", str(tmp_path / "b.tgz"), "--data-dir", str(target))
    assert code == 0, stderr
    assert report["moment_us"] == header.moment_us
    up = UpProcess(target, "--port", "0", "--no-demo")
    try:
        url = up.ready()
        wait_until(lambda: searchable(url) == report["pending"], f"all is indexed\n{up.everything()}")
        found = exported(url)
    finally:
        up.finish()
    assert must <= found.keys()
    assert found.keys() - must <= may | {id for id in found if id not in {name for name, *_ in journal}}
    for id, text in found.items():
        number, row = id.removeprefix("d").split("-")
        assert text == f"words {number} {row}"


def searchable(url: str) -> int:
    code, status, _ = run_cli(url, "status")
    return int(status["collections"][0]["searchable"]) if code == 0 and status["collections"] else -1


def exported(url: str) -> dict[str, str]:
    """Every document with its text, as the API gives them."""
    found: dict[str, str] = {}
    cursor = ""
    while True:
        with urllib.request.urlopen(f"{url}/api/v1/collections/docs/documents?limit=100&cursor={cursor}") as answer:
            page = json.load(answer)
        for document in page["items"]:
            with urllib.request.urlopen(f"{url}/api/v1/collections/docs/documents/{document['id']}/original") as answer:
                found[document["id"]] = answer.read().decode()
        cursor = page["next_cursor"] or ""
        if not cursor:
            return found
