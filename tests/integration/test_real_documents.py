"""Every real document of the evaluation set through web, worker and sandbox: searchable, or failed with a reason."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from services.ids import file_document_id
from tests.conftest import RedisPair
from tests.evaldata import evaluation_folder
from tests.integration.upload_tools import MULTIPART, form_of
from tests.processes import Product, wait_until
from tests.unit.ingest.extract.test_real_documents import REFUSED, SAID, SOURCES

DOCUMENTS = "/api/v1/collections/docs/documents"
REFUSED_AT_ONCE = {"unsupported-media-type", "empty-file"}


@pytest.fixture(scope="module")
def folder() -> Path:
    return evaluation_folder("documents")


@pytest.fixture
def product(private_redis_pair: RedisPair, tmp_path: Path) -> Iterator[Product]:
    product = Product(private_redis_pair, tmp_path)
    product.start()
    yield product
    product.stop()


def upload(product: Product, folder: Path, name: str) -> tuple[int, dict[str, Any]]:
    body = form_of([(name, (folder / name).read_bytes())])
    return product.call("POST", "/api/v1/collections/docs/files", body, {"Content-Type": MULTIPART})


def text_of(product: Product, document_id: str) -> str:
    with urllib.request.urlopen(f"{product.url}{DOCUMENTS}/{quote(document_id, safe='')}/text") as answer:
        return str(answer.read().decode())


def squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@pytest.mark.timeout(300)
def test_every_document_ends_searchable_or_failed_for_the_right_reason(product: Product, folder: Path) -> None:
    assert product.call("POST", "/api/v1/collections", {"name": "docs"})[0] == 201
    at_once: dict[str, str] = {}
    for name in sorted({*SAID, *REFUSED, *SOURCES}):
        status, answer = upload(product, folder, name)
        if status != 202:
            at_once[name] = answer["code"]
    assert at_once == {name: code for name, code in REFUSED.items() if code in REFUSED_AT_ONCE}

    def settled() -> bool:
        states = product.call("GET", "/api/v1/collections/docs")[1]["documents"]
        return not states.get("pending", 0) + states.get("processing", 0)

    wait_until(settled, "all documents read", limit_s=240)
    wrong = {}
    for name in sorted({*SAID, *REFUSED} - at_once.keys()):
        _, document = product.call("GET", f"{DOCUMENTS}/{quote(file_document_id(name), safe='')}")
        if name in REFUSED:
            if (document["state"], (document["error"] or {}).get("code")) != ("failed", REFUSED[name]):
                wrong[name] = document
        elif document["state"] != "ready" or SAID[name] not in squeezed(text_of(product, document["id"])):
            wrong[name] = document
    assert wrong == {}
    for name, children in SOURCES.items():
        _, document = product.call("GET", f"{DOCUMENTS}/{quote(file_document_id(name), safe='')}")
        assert (document["state"], document["children"] >= children) == ("ready", True), document
    scan = "markitdown/MEDRPT-2024-PAT-3847_medical_report_scan.pdf"
    _, failed = product.call("GET", f"{DOCUMENTS}?state=failed&q={quote(scan)}")
    assert "no text layer" in failed["items"][0]["error"]["message"]
    _, found = product.call("GET", "/api/v1/collections/docs/search?q=multicolumn+lorem+ipsum")
    assert {hit["passage"]["page"] for hit in found["hits"] if hit["source"].endswith(".pdf")} != {None}
