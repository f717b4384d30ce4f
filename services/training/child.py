"""The process in which a model is trained: ``python -m services.training.child``, started by ``desk.py``.

It reads the collection by itself, so that the worker that started it goes on with documents.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.children.inside import Report, serve
from services.embedding.families import Setting, loader_of, trainer_of
from services.embedding.installing.child import probe
from services.embedding.options import LoadOptions
from services.embedding.resolving import read_spec
from services.training.corpus import Corpus, write_corpus

_TOLD_EVERY_S = 0.5


class _Teller:
    """Reports how far the work is, at most twice a second."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._started = time.monotonic()
        self._last = 0.0
        self.step, self.documents, self.texts = "reading", 0, 0

    def tell(self, *, now: bool = False) -> None:
        """Reports, unless that was done a moment ago."""
        moment = time.monotonic()
        if not now and moment - self._last < _TOLD_EVERY_S:
            return
        self._last = moment
        self._report(
            {
                "step": self.step,
                "documents": self.documents,
                "texts": self.texts,
                "seconds": int(moment - self._started),
            }
        )

    def begin(self, step: str) -> None:
        """Goes on to another step."""
        self.step = step
        self.tell(now=True)

    def read(self, documents: int) -> None:
        """Notes how many documents were read."""
        self.documents = documents
        self.tell()

    def gone_over(self, texts: int) -> None:
        """Notes how many texts the trainer has seen."""
        self.texts = texts
        self.tell()


def work(request: Mapping[str, Any], report: Report) -> Mapping[str, object]:
    """Reads the collection, trains, and tries what came out."""
    logging.basicConfig(level=logging.WARNING)
    teller = _Teller(report)
    teller.tell(now=True)
    folder, corpus = Path(request["folder"]), Path(request["corpus"])
    documents = _read_collection(request, corpus, teller)
    teller.begin("training")
    settings: dict[str, Setting] = dict(request["settings"])
    train = trainer_of(request["family"])
    train(Corpus(corpus, teller.gone_over), settings, folder, teller.tell)
    teller.begin("checking")
    spec = read_spec(request["name"], folder, source=f"trained on {request['collection']}")
    probe(loader_of(spec.family)(spec, folder, LoadOptions(models_dir=Path(request["models_dir"]))))
    return {"documents": documents, "fingerprint": spec.fingerprint}


def _read_collection(request: Mapping[str, Any], corpus: Path, teller: _Teller) -> int:
    from services.doorbell import SilentDoorbell
    from services.redis_clients import BULK
    from services.settings import Settings
    from services.wiring import build_services

    services = build_services(
        Settings.model_validate_json(request["instance"]), doorbell=SilentDoorbell(), profile=BULK
    )
    return write_corpus(
        services.ledger, services.index_client, services.documents, request["collection_id"], corpus, teller.read
    )


if __name__ == "__main__":
    status = serve(work)
    sys.stderr.flush()
    os._exit(status)
