"""`nearfield models` on a data folder: no server, no running instance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from cli.main import main
from cli.training import setting_of, told
from tests.unit.embedding.installing.tools import small_model


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NEARFIELD_MODEL", raising=False)
    monkeypatch.setenv("NEARFIELD_URL", "http://127.0.0.1:1")


def run(folder: Path, *words: str, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["models", *words, "--data-dir", str(folder)])
    assert result.exit_code == code, result.output
    return result


def parsed(result: Result) -> Any:
    return json.loads(result.stdout)


def test_from_pull_to_remove(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    made = parsed(run(folder, "pull", str(small_model(tmp_path / "source")), "--as", "mine", "--json"))
    assert (made["name"], made["family"], made["dimensions"]) == ("mine", "tf-idf", 8)
    assert (folder / "VERSION").exists(), "`nearfield up` takes this folder for one of its own"
    assert "mine" in run(folder, "list").stdout
    assert {item["name"] for item in parsed(run(folder, "list", "--json"))} > {"mine", "hash"}
    assert "no collection" in run(folder, "describe", "mine").stdout
    assert "3 files are as its record says" in run(folder, "verify", "mine").stdout
    measured = parsed(run(folder, "benchmark", "mine", "--seconds", "1", "--json"))
    assert measured["texts_per_s"] > 0
    assert parsed(run(folder, "default", "--json")) == {"name": "all-MiniLM-L6-v2", "by": "built-in"}
    assert "chosen" in run(folder, "default", "mine").stdout
    assert "choose another default first" in run(folder, "remove", "mine", code=1).stderr
    run(folder, "default", "hash")
    assert parsed(run(folder, "remove", "mine", "--json")) == {"removed": "mine"}
    assert "mine" not in run(folder, "list").stdout


def test_what_is_wrong_is_said_with_its_code(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    source = small_model(tmp_path / "source")
    run(folder, "pull", str(source), "--as", "mine")
    (source / "run.py").write_text("")
    for words, error in (
        (("pull", str(source), "--as", "other"), "model-unsafe"),
        (("pull", str(source), "--as", "../other"), "bad-model-name"),
        (("pull", str(source), "--as", "mine"), "model-exists"),
        (("pull", str(tmp_path / "none")), "model-missing"),
        (("describe", "none"), "unknown-model"),
        (("default", "none"), "unknown-model"),
        (("remove", "hash"), "model-is-built-in"),
    ):
        told_error = json.loads(run(folder, *words, "--json", code=1).stderr)["error"]
        assert told_error["code"] == error, words
    (folder / "models" / "mine" / "vocabulary.json").write_text("[]")
    found = run(folder, "verify", "mine", code=1).stdout
    assert "NOT as it should be" in found
    assert "changed: vocabulary.json" in found
    (folder / "models" / "mine" / "nearfield-model.json").unlink()
    assert "Problem" in run(folder, "describe", "mine", code=1).stdout


def test_the_setting_decides_over_a_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path / "data", "default", "hash")
    monkeypatch.setenv("NEARFIELD_MODEL", "all-MiniLM-L6-v2")
    assert "set by NEARFIELD_MODEL" in run(tmp_path / "data", "default").stdout
    assert "NEARFIELD_MODEL is set" in run(tmp_path / "data", "default", "hash", code=1).stderr


def test_settings_of_a_training() -> None:
    read = [setting_of(text) for text in ("dim=128", "alpha=0.5", "lower=true", "reduction=svd", "x=a=b")]
    assert read == [("dim", 128), ("alpha", 0.5), ("lower", True), ("reduction", "svd"), ("x", "a=b")]
    for bad in ("dim", "=3", ""):
        with pytest.raises(click.UsageError):
            setting_of(bad)


def test_trainings_in_words() -> None:
    training = {
        "id": "t", "name": "ours", "family": "tf-idf", "collection": "docs", "state": "running", "cancelling": False,
        "progress": {"step": "training", "documents": 30, "texts": 60, "seconds": 4}, "error": None,
    }  # fmt: skip
    assert told(training) == "ours: training, 30 documents, 4 s (training t)"
    assert "learned from 30 documents of docs" in told({**training, "state": "ready"})
    failed = {**training, "state": "failed", "error": {"code": "bad-training", "message": "too few\x1b[31m"}}
    assert told(failed) == "ours was not trained: too few\ufffd[31m"
