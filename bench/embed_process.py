"""Fresh processes: how long loading takes, how much memory embedding needs."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from services.embedding.builtin import MINILM_SPEC
from services.embedding.options import LoadOptions
from services.embedding.resolving import packaged_folder

_OURS = """
import json, sys
from pathlib import Path
from services.embedding.options import LoadOptions
from services.embedding.registry import ModelRegistry
options = LoadOptions(cache_dir=Path(sys.argv[2]), device=sys.argv[3], precision=sys.argv[4])
model = ModelRegistry(options).load(sys.argv[1])
if len(sys.argv) > 5:
    model.embed_documents(json.loads(Path(sys.argv[5]).read_text()))
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    torch = bool({"torch", "transformers"} & set(sys.modules))
    print(json.dumps({"peak_kb": status["VmHWM"].split()[0], "rss_kb": status["VmRSS"].split()[0], "torch": torch}))
"""
_PLAIN = (
    "import sys; from sentence_transformers import SentenceTransformer; "
    "SentenceTransformer(sys.argv[1], device='cpu', local_files_only=True)"
)


def loading(options: LoadOptions, rounds: int) -> dict[str, object]:
    """Import and load in a fresh interpreter, to the point where a text can be embedded."""
    times = [(_run(_OURS, *_arguments(options))[0], _run(_PLAIN, str(packaged_folder()))[0]) for _ in range(rounds)]
    ours_s, plain_s = (statistics.median(each) for each in zip(*times, strict=True))
    return {
        "bench": "embed-load",
        "ratio": round(statistics.median(plain / ours for ours, plain in times), 2),
        "load_s": round(ours_s, 2),
        "baseline_load_s": round(plain_s, 2),
        "rounds": rounds,
    }


def first_loading(options: LoadOptions) -> dict[str, object]:
    """The same with an empty cache folder: the model is converted, judged and its budget measured."""
    with tempfile.TemporaryDirectory() as empty:
        arguments = [MINILM_SPEC.name, empty, options.device, options.precision]
        return {"bench": "embed-first-load", "load_s": round(_run(_OURS, *arguments)[0], 2)}


def memory(options: LoadOptions, texts: Sequence[str]) -> dict[str, object]:
    """Peak and final memory of a process that loads the model and embeds all texts."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(list(texts), file)
        file.flush()
        found = json.loads(_run(_OURS, *_arguments(options), file.name)[1])
    return {
        "bench": "embed-memory",
        "peak_mb": round(int(found["peak_kb"]) / 1024),
        "rss_mb": round(int(found["rss_kb"]) / 1024),
        "imports_torch": found["torch"],
        "texts": len(texts),
    }


def _arguments(options: LoadOptions) -> list[str]:
    return [MINILM_SPEC.name, str(options.cache_dir), options.device, options.precision]


def _run(code: str, *arguments: str) -> tuple[float, str]:
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parents[1],
    )
    return time.perf_counter() - start, done.stdout
