"""Search over HTTP against its two unavoidable parts: the model's vector for the query and one FT.SEARCH.

``python -m bench.search`` starts an instance of its own on two fresh Redis servers, loads docstrings through the API
and prints one JSON object per line. ``ratio`` is the median over HTTP divided by the median of the parts, which run in
this process; at most 2 is the aim. The two take turns query by query, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import redis

from bench.quality import running_instance
from cli.client import ApiClient
from cli.up import redis_server
from services.collections.values import VectorType
from services.demo.corpus import demo_documents
from services.embedding.options import LoadOptions, prepared_models
from services.embedding.protocol import Embedder
from services.embedding.registry import ModelRegistry
from services.embedding.spec import Role
from services.embedding.vectors import to_bytes
from services.redis_clients import BULK, Client, connect, unix_url

COLLECTION = "bench"
MODEL = "all-MiniLM-L6-v2"
HITS = 10
START_LIMIT_S = 30.0
_QUERIES = (
    "shrink a file before sending it",
    "run many tasks at once",
    "read settings from the environment",
    "parse a date out of a string",
    "find out what type an object has",
    "how do I wait until another thread is done",
    "compare two sequences line by line",
    "make a random password that nobody can guess",
    "remember results of expensive calls",
    "talk to a server over an encrypted connection",
)


def main() -> None:
    """Runs the comparison and prints its figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.search", description=__doc__)
    parser.add_argument("--documents", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=30, help="how often each of the ten queries is asked")
    options = parser.parse_args()
    with redis_servers() as (ledger_url, index_url):
        os.environ["NEARFIELD_LEDGER_URL"], os.environ["NEARFIELD_INDEX_URL"] = ledger_url, index_url
        os.environ["NEARFIELD_QUERY_CACHE"] = "0"  # ten questions are asked again and again; each is to be embedded
        with running_instance() as url, tempfile.TemporaryDirectory(prefix="nearfield-bench-") as cache:
            load(url, options.documents)
            index = connect(index_url, BULK)
            models = LoadOptions(cache_dir=Path(cache), prepared_dir=prepared_models(), first=Role.QUERY)
            embedder = ModelRegistry(models).load(MODEL)
            print(json.dumps(compare(url, index, embedder, options.rounds)), flush=True)
            index.close()


@contextmanager
def redis_servers() -> Iterator[tuple[str, str]]:
    """Two fresh Redis servers, ledger and index, gone afterwards; yields their URLs."""
    folder = Path(tempfile.mkdtemp(prefix="nfb-"))
    program = redis_server.find_redis()
    processes: list[subprocess.Popen[bytes]] = []
    urls: list[str] = []
    try:
        for name, fsync in (("ledger", "always"), ("index", "everysec")):
            password, socket = secrets.token_hex(16), folder / f"{name}.sock"
            role = redis_server.RedisRole(name, fsync, 1024)
            config = redis_server.write_config(program, role, folder=folder / name, socket=socket, password=password)
            processes.append(subprocess.Popen(redis_server.command(program, config), stdout=subprocess.DEVNULL))
            urls.append(unix_url(str(socket), password))
            _wait_for(urls[-1])
        yield urls[0], urls[1]
    finally:
        for process in processes:
            process.terminate()
            process.wait(START_LIMIT_S)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    client = connect(url, BULK)
    while True:
        try:
            client.ping()
            break
        except redis.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    client.close()


def load(url: str, documents: int) -> None:
    """Makes the collection and waits until every document is searchable.

    Raises:
        SystemExit: documents failed.
    """
    with ApiClient(url, patience_s=60) as api:
        api.create_collection({"name": COLLECTION, "model": MODEL})
        texts = [document.as_json() | {"metadata": {}} for document in islice(demo_documents(), documents)]
        jobs = [
            str(api.add_documents(COLLECTION, texts[first : first + 200], secrets.token_hex(8))["job_id"])
            for first in range(0, len(texts), 200)
        ]
        failed = sum(job["counts"]["failed"] for job in api.wait_for_jobs(jobs, lambda _: None))
    if failed:
        sys.exit(f"{failed} documents failed")


def compare(url: str, index: Client, embedder: Embedder, rounds: int) -> dict[str, object]:
    """Asks every query ``rounds`` times both ways, in turns."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    name = next(iter(index.execute_command("FT._LIST")))
    over_http: list[float] = []
    of_parts: list[float] = []
    answers: list[dict[str, Any]] = []
    same = 0
    for number in range(-1, rounds):
        for query in _QUERIES:
            http_s, answer = _ask(connection, query)
            parts_s, best = _parts(index, embedder, name, query)
            if number < 0:  # the first round warms both
                continue
            over_http.append(http_s)
            of_parts.append(parts_s)
            answers.append(answer)
            same += answer["hits"][0]["passage"]["text"] == best
    connection.close()
    return {
        "bench": "search-http",
        "ratio": round(statistics.median(over_http) / statistics.median(of_parts), 2),
        "http_p50_ms": _ms(over_http, 0.5),
        "http_p95_ms": _ms(over_http, 0.95),
        "parts_p50_ms": _ms(of_parts, 0.5),
        "parts_p95_ms": _ms(of_parts, 0.95),
        "server_embed_p50_ms": round(statistics.median(answer["embed_ms"] for answer in answers), 2),
        "server_index_p50_ms": round(statistics.median(answer["index_ms"] for answer in answers), 2),
        "same_first_passage": round(same / len(answers), 3),
        "searchable": answers[-1]["searchable"],
        "queries": len(answers),
    }


def _ask(connection: http.client.HTTPConnection, query: str) -> tuple[float, dict[str, Any]]:
    path = f"/api/v1/collections/{COLLECTION}/search?q={quote(query)}&limit={HITS}"
    started = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    took_s = time.perf_counter() - started
    if answer.status != http.HTTPStatus.OK:
        sys.exit(f"the search answered {answer.status}: {body[:500]!r}")
    found: dict[str, Any] = json.loads(body)
    return took_s, found


def _parts(index: Client, embedder: Embedder, name: bytes, query: str) -> tuple[float, str]:
    """The model and the Query Engine alone, with the texts of the hits; also the best hit's text."""
    started = time.perf_counter()
    vector = to_bytes(embedder.embed_queries([query])[0], VectorType.FLOAT16)
    reply = index.execute_command(
        *(
            "FT.SEARCH",
            name,
            f"*=>[KNN {HITS} @v $v EF_RUNTIME 200 AS near]",
            "RETURN",
            2,
            "t",
            "near",
            "SORTBY",
            "near",
        ),
        *("LIMIT", 0, HITS, "PARAMS", 2, "v", vector, "DIALECT", 2),
    )
    took_s = time.perf_counter() - started
    fields = reply[2]
    return took_s, fields[fields.index(b"t") + 1].decode("utf-8")


def _ms(seconds: list[float], quantile: float) -> float:
    return round(1000 * sorted(seconds)[int(quantile * len(seconds))], 2)


if __name__ == "__main__":
    main()
