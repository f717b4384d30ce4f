"""Hub names against the client's own cache layout and against a small hub of the test's own on the loopback."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from services.embedding.registry import ModelRegistry
from services.errors import ModelError
from tests.unit.embedding.folders import make_folder, put

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAME = "some-org/some-model"


def refusal(name: str) -> ModelError:
    with pytest.raises(ModelError) as refused:
        ModelRegistry().spec(name)
    return refused.value


def make_cache(cache: Path) -> Path:
    """A hub cache as the hub's client lays it out, with one model at one commit; that model's folder."""
    repository = cache / "models--some-org--some-model"
    put(repository, "refs/main", COMMIT)
    return make_folder(repository / "snapshots" / COMMIT)


def cache_model(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    return make_cache(cache)


def test_a_model_that_is_not_here_says_what_to_do() -> None:
    error = refusal(NAME)
    assert error.code == "model-missing"
    assert "give its folder" in error.message


@pytest.mark.parametrize("name", [NAME, f"{NAME}@main", f"{NAME}@{COMMIT}"])
def test_a_cached_model_is_read_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    cache_model(tmp_path, monkeypatch)
    spec = ModelRegistry().spec(name)
    assert spec.name == f"{NAME}@{COMMIT}"
    assert (spec.source, spec.revision, spec.dim) == (NAME, COMMIT, 8)
    assert ModelRegistry().spec(spec.name) == spec


def test_an_interrupted_download_is_not_taken_for_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cache_model(tmp_path, monkeypatch) / "model.safetensors").unlink()
    assert refusal(NAME).code == "model-missing"


def test_code_in_the_cache_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(cache_model(tmp_path, monkeypatch), "modeling_x.py", "")
    assert refusal(NAME).code == "model-unsafe"


@contextmanager
def hub(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serves ``folder`` as the only model of a hub: its URL, and the paths that were asked for."""
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    tree = [
        {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
        for name, content in files.items()
    ]
    info = {"id": NAME, "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            asked.append(path)
            content = None
            if path.startswith(f"/api/models/{NAME}/revision/"):
                content = json.dumps(info).encode()
            elif path.startswith(f"/api/models/{NAME}/tree/"):
                content = json.dumps(tree).encode()
            elif path.startswith(f"/{NAME}/resolve/{COMMIT}/"):
                content = files.get(path.removeprefix(f"/{NAME}/resolve/{COMMIT}/"))
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{hashlib.sha1(content or b"").hexdigest()}"')
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content or b"")

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def spec_in_a_fresh_process(name: str, home: Path, endpoint: str) -> list[str]:
    """Name and dimension; a process of its own, because the hub's client reads its environment at import."""
    code = (
        "import sys; from services.embedding.registry import ModelRegistry; "
        "spec = ModelRegistry().spec(sys.argv[1]); print(spec.name, spec.dim)"
    )
    client = {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_CACHE": str(home / "hub"), "HF_HUB_OFFLINE": "0"}
    environment = {**os.environ, **client, "NO_PROXY": "127.0.0.1"}
    run = subprocess.run(
        [sys.executable, "-c", code, name], env=environment, capture_output=True, text=True, check=True
    )
    return run.stdout.split()


def test_a_model_is_fetched_once_without_code_and_pickles(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "published")
    for unwanted in ("train_script.py", "pytorch_model.bin", "onnx/config.json", "openvino/model.json"):
        put(folder, unwanted, "{}")
    with hub(folder) as (endpoint, asked):
        first = spec_in_a_fresh_process(NAME, tmp_path / "home", endpoint)
        assert first == [f"{NAME}@{COMMIT}", "8"]
        assert any(path.endswith("/model.safetensors") for path in asked)
        assert not [
            path for path in asked if path.endswith((".py", ".bin")) or "/onnx/" in path or "/openvino/" in path
        ]
        asked.clear()
        assert spec_in_a_fresh_process(NAME, tmp_path / "home", endpoint) == first
        assert spec_in_a_fresh_process(first[0], tmp_path / "home", endpoint) == first
        assert asked == []


def test_an_interrupted_download_is_completed(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "published")
    (make_cache(tmp_path / "home" / "hub") / "model.safetensors").unlink()
    with hub(folder) as (endpoint, asked):
        assert spec_in_a_fresh_process(NAME, tmp_path / "home", endpoint) == [f"{NAME}@{COMMIT}", "8"]
        assert any(path.endswith("/model.safetensors") for path in asked)
