"""What the tests of rebuild, backup and audit share: a shop with everything in it that a ledger may know."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from services.ingest.values import FileInput, TextInput
from services.ledger import keys
from services.ledger.instance import Instances
from services.recovery.rebuild import LedgerRebuild, RebuildReport
from tests.conftest import RedisPair
from tests.integration.ledger_tools import Desk, check_books
from tests.integration.pipeline_tools import Workshop, make_workshop


def standing(shop: Workshop) -> dict[str, tuple[str, int, int, str]]:
    """State, wanted generation, visible generation and error code of every document by id."""
    ledger, cid = shop.services.ledger, shop.collection.id
    found = {}
    for key in (keys.all_documents(cid), keys.in_state(cid, "deleted")):
        hashes = [member.decode() for member in ledger.link.client.zrange(key, 0, -1)]
        for record in ledger.records(cid, hashes):
            assert record is not None
            state = record.state.value
            found[record.id] = (state, record.wanted_generation, record.visible_generation, record.error_code)
    return found


def add(shop: Workshop, *ids: str, text: str = "words", **more: Any) -> None:
    documents = [TextInput(id, f"{text} of {id}", **more) for id in ids]
    shop.services.acceptor.add_texts(shop.collection, documents)


def delete(shop: Workshop, *ids: str) -> None:
    shop.services.acceptor.delete(shop.collection, list(ids))


def rows(*numbers: int) -> FileInput:
    lines = [json.dumps({"id": f"row{number}", "text": f"row number {number}"}) for number in numbers]
    return FileInput("rows.ndjson", "\n".join(lines).encode())


def full_shop(pair: RedisPair, folder: Path) -> Workshop:
    """New, changed, deleted, failed and cancelled documents, and a source that was expanded twice."""
    shop = make_workshop(pair, folder)
    add(shop, "a", "b", "gone", "updated", "halfway", title="first")
    shop.services.acceptor.add_texts(shop.collection, [TextInput("big", long_text())])
    shop.services.acceptor.add_files(shop.collection, [rows(1, 2, 3, 4)])
    shop.drain()
    add(shop, "updated", text="other words")
    delete(shop, "gone")
    shop.services.acceptor.add_files(shop.collection, [rows(1, 2, 3, 5)])
    shop.drain()
    shop.services.acceptor.add_texts(shop.collection, [TextInput("halfway", "unembeddable at last")])
    shop.drain()
    answer = shop.services.acceptor.add_texts(shop.collection, [TextInput("stopped", "never indexed")])
    shop.services.ledger.cancel(answer.job_id)
    look(shop)
    return shop


def long_text() -> str:
    return "\n\n".join(f"Paragraph {number}. " + "Some more words about it. " * 40 for number in range(90))


def look(shop: Workshop) -> str:
    """What the keeper does first: ids and high-water mark are written; says what disagrees."""
    services = shop.services
    instances = Instances(services.ledger.link, services.index_client, services.envelopes)
    found = instances.look()
    instances.mark_index(found.instance)
    return found.reason


def rebuild(shop: Workshop, marks: Any = None, *, index: bool = True) -> RebuildReport:
    services = shop.services
    making = LedgerRebuild(
        services.ledger,
        services.envelopes,
        services.descriptions,
        index=services.index if index else None,
        index_client=services.index_client if index else None,
    )
    return making.run(marks)


def books(shop: Workshop) -> None:
    """Everything the ledger says twice agrees."""
    services = shop.services
    desk = Desk(services.ledger, services.ledger_client, services.envelopes.folder, shop.collection.id)
    check_books(desk, list(standing(shop)))


def envelope_of(shop: Workshop, document_id: str) -> Path:
    """The file that a document's wanted version lies in."""
    name = shop.record(document_id).envelope.partition(":")[0]
    return shop.services.envelopes.folder / name[-2:] / f"{name}.nfe"
