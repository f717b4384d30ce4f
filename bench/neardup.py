"""What finding near-duplicates costs, beside embedding the same texts: ``python -m bench.neardup``.

Uses abstracts made from numbers (8 to 20 sentences), a Redis of its own, and prints one JSON object.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from services.collections.values import Algorithm, Chunking, Collection, VectorType
from services.embedding.registry import ModelRegistry
from services.ids import hash_document_id, head_key
from services.neardup.signature import sign
from services.neardup.store import SignatureStore
from services.redis_clients import BULK, connect
from tests.conftest import make_redis_pair
from tests.unit.ingest.plain_texts import abstract

DOCUMENTS = 400
EMBEDDED = 200


def per_document_ms(call: Callable[[], object], documents: int) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000 / documents


def collection() -> Collection:
    return Collection(
        id="bench",
        name="bench",
        description="",
        model="hash",
        fingerprint="f" * 32,
        dim=64,
        vector_type=VectorType.FLOAT16,
        algorithm=Algorithm.HNSW,
        chunking=Chunking(),
        fields=(),
        language="en",
        created_at_ms=0,
    )


def main() -> None:
    """Measures and prints."""
    texts = [abstract(seed).text for seed in range(1, DOCUMENTS + 1)]
    figures: dict[str, object] = {
        "documents": DOCUMENTS,
        "words": sum(len(text.split()) for text in texts) // DOCUMENTS,
    }
    sign(texts[0])
    signing = per_document_ms(lambda: [sign(text) for text in texts], DOCUMENTS)
    signatures = [sign(text) for text in texts]
    with tempfile.TemporaryDirectory(prefix="nfb-") as folder:
        pair = make_redis_pair(Path(folder))
        client = connect(pair.index.url, BULK)
        store, where = SignatureStore(client, threshold=0.9), collection()
        hashes = [hash_document_id(str(number)) for number in range(DOCUMENTS)]
        for doc_hash in hashes:
            client.hset(
                head_key("bench", 1, doc_hash), mapping={"live": 1, "hash": "t" * 32, "gen": 1, "seq": 1, "id": "x"}
            )
        before = int(client.info("memory")["used_memory"])

        def remember() -> None:
            for doc_hash, signature in zip(hashes, signatures, strict=True):
                assert signature is not None
                store.remember(where, doc_hash, "t" * 32, signature)

        storing = per_document_ms(remember, DOCUMENTS)
        kept = (int(client.info("memory")["used_memory"]) - before) // DOCUMENTS
        client.close()
        pair.ledger.kill()
        pair.index.kill()
    figures |= {"sign_ms": round(signing, 3), "remember_ms": round(storing, 3), "bytes_kept_per_document": kept}
    for name in ("hash", "all-MiniLM-L6-v2"):
        model = ModelRegistry().load(name)
        model.embed_documents(texts[:16])
        embedding = per_document_ms(lambda model=model: model.embed_documents(texts[:EMBEDDED]), EMBEDDED)  # type: ignore[misc]
        share = 100 * (signing + storing) / embedding
        figures[name] = {"embed_ms": round(embedding, 2), "near_duplicates_percent": round(share, 1)}
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
