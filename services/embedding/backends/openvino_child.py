"""The process that converts a model: ``python -m services.embedding.backends.openvino_child``."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from services.children.inside import Report, serve
from services.embedding.backends.openvino_graph import convert
from services.embedding.spec import ModelSpec


def work(request: Mapping[str, Any], report: Report) -> Mapping[str, object]:
    """Converts ``request["folder"]`` into ``request["target"]`` and returns the record."""
    report({"step": "converting"})
    values = dict(request["spec"])
    values["file_hashes"] = tuple((str(name), str(digest)) for name, digest in values["file_hashes"])
    values["modalities"] = tuple(values["modalities"])
    made = convert(
        ModelSpec(**values),
        Path(request["folder"]),
        Path(request["target"]),
        cores=int(request["cores"]),
        bf16=bool(request["bf16"]),
    )
    return asdict(made)


if __name__ == "__main__":
    status = serve(work)
    sys.stderr.flush()
    os._exit(status)
