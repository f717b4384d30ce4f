"""Embedding against plain sentence-transformers, in one process and on the same texts.

``python -m bench.embed`` prints one JSON object per line. ``ratio`` is the baseline's time over ours: above 1 we are
faster. The two take turns within each round, so that a busy machine slows both, and the median round counts.
"""

from __future__ import annotations

import argparse
import ast
import json
import statistics
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.embedding.builtin import MINILM_SPEC
from services.embedding.registry import ModelRegistry
from services.embedding.resolving import packaged_folder

Encode = Callable[[list[str]], NDArray[np.float32]]

_SKIPPED_FOLDERS = {"site-packages", "test", "tests", "idlelib", "lib2to3"}
_QUERIES = (
    "how do I shrink a file before sending it",
    "run many tasks at once",
    "read settings from the environment",
    "parse a date out of a string",
    "what happens when a dictionary is changed while I loop over it",
)
_LOAD_OURS = "from services.embedding.registry import ModelRegistry; ModelRegistry().load('all-MiniLM-L6-v2')"
_LOAD_PLAIN = (
    "import sys; from sentence_transformers import SentenceTransformer; "
    "SentenceTransformer(sys.argv[1], device='cpu', local_files_only=True)"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    ours, plain = _encoders()
    texts = list(_spread(list(_docstrings()), options.texts))
    for result in (_documents(ours, plain, texts, options.rounds), _queries(ours, plain), _loading(options.rounds)):
        print(json.dumps(result), flush=True)


def _encoders() -> tuple[Encode, Encode]:
    """Ours and the baseline, each with the number of torch threads that it runs with by itself."""
    import torch

    threads = torch.get_num_threads()
    embedder = ModelRegistry().load(MINILM_SPEC.name)
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(packaged_folder()), device="cpu", local_files_only=True)

    def ours(texts: list[str]) -> NDArray[np.float32]:
        torch.set_num_threads(1)
        return embedder.embed_documents(texts)

    def plain(texts: list[str]) -> NDArray[np.float32]:
        torch.set_num_threads(threads)
        vectors: NDArray[np.float32] = model.encode(texts, show_progress_bar=False)
        return vectors

    return ours, plain


def _documents(ours: Encode, plain: Encode, texts: list[str], rounds: int) -> dict[str, object]:
    ours(texts[:64])
    plain(texts[:64])
    times: list[tuple[float, float]] = []
    distance = 0.0
    for _ in range(rounds):
        ours_s, our_vectors = _timed(ours, texts)
        plain_s, plain_vectors = _timed(plain, texts)
        times.append((ours_s, plain_s))
        distance = max(distance, float((1 - (our_vectors * plain_vectors).sum(axis=1)).max()))
    ours_s, plain_s = (statistics.median(each) for each in zip(*times, strict=True))
    return {
        "bench": "embed-documents",
        "ratio": round(statistics.median(plain_s / ours_s for ours_s, plain_s in times), 2),
        "docs_per_s": round(len(texts) / ours_s, 1),
        "baseline_docs_per_s": round(len(texts) / plain_s, 1),
        "texts": len(texts),
        "rounds": rounds,
        "worst_cosine_distance": float(f"{distance:.1e}"),
    }


def _queries(ours: Encode, plain: Encode, repeats: int = 40) -> dict[str, object]:
    times: list[tuple[float, float]] = []
    for _ in range(repeats):
        for query in _QUERIES:
            times.append((_timed(ours, [query])[0], _timed(plain, [query])[0]))
    ours_ms, plain_ms = (sorted(1000 * each for each in side) for side in zip(*times, strict=True))
    return {
        "bench": "embed-query",
        "ratio": round(statistics.median(plain_ms) / statistics.median(ours_ms), 2),
        "p50_ms": round(statistics.median(ours_ms), 2),
        "p95_ms": round(ours_ms[int(0.95 * len(ours_ms))], 2),
        "baseline_p50_ms": round(statistics.median(plain_ms), 2),
        "baseline_p95_ms": round(plain_ms[int(0.95 * len(plain_ms))], 2),
        "queries": len(times),
    }


def _loading(rounds: int) -> dict[str, object]:
    """Import and load in a fresh interpreter, to the point where a text can be embedded."""
    times = [(_process_s(_LOAD_OURS), _process_s(_LOAD_PLAIN, str(packaged_folder()))) for _ in range(rounds)]
    ours_s, plain_s = (statistics.median(each) for each in zip(*times, strict=True))
    return {
        "bench": "embed-load",
        "ratio": round(statistics.median(plain_s / ours_s for ours_s, plain_s in times), 2),
        "load_s": round(ours_s, 2),
        "baseline_load_s": round(plain_s, 2),
        "rounds": rounds,
    }


def _timed(encode: Encode, texts: list[str]) -> tuple[float, NDArray[np.float32]]:
    start = time.perf_counter()
    vectors = encode(texts)
    return time.perf_counter() - start, vectors


def _process_s(code: str, *arguments: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)
    return time.perf_counter() - start


def _docstrings() -> Iterator[str]:
    """Docstrings of the standard library, read from its sources."""
    library = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(library.rglob("*.py")):
        if _SKIPPED_FOLDERS & set(path.relative_to(library).parts):
            continue
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node)
                if text and len(text) > 20:
                    yield text


def _spread(texts: list[str], count: int) -> Iterator[str]:
    """``count`` of the texts at equal distances."""
    for number in range(min(count, len(texts))):
        yield texts[number * len(texts) // count if len(texts) > count else number]


if __name__ == "__main__":
    main()
