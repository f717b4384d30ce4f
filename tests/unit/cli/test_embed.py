from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from cli.main import main
from services.embedding.hash_embedder import HashEmbedder
from tests.providers import DIM, KEY, ProviderServer, provider_server, status

TEXTS = ["tea with milk", "coffee", "naïve 東京"]


def run(*arguments: str, stdin: bytes | None = None, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(main, ["embed", *arguments], input=stdin, env={"NEARFIELD_MODEL": "hash", **(env or {})})


def rows(result: Result) -> list[dict[str, object]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def expected(texts: list[str]) -> np.ndarray:
    return HashEmbedder().embed_documents(texts)


def test_arguments_become_lines_of_json() -> None:
    found = rows(run(*TEXTS))
    assert [row["index"] for row in found] == [0, 1, 2]
    np.testing.assert_allclose([row["embedding"] for row in found], expected(TEXTS), atol=1e-7)


def test_lines_of_standard_input_and_files(tmp_path: Path) -> None:
    lines = tmp_path / "lines.txt"
    lines.write_bytes("\ufefftea with milk\r\n\n  \ncoffee".encode())
    result = run("first", "--file", str(lines), "--file", "-", stdin="naïve 東京\n".encode())
    found = rows(result)
    np.testing.assert_allclose([row["embedding"] for row in found], expected(["first", *TEXTS]), atol=1e-7)
    assert "2 blank lines passed over" in result.stderr
    assert len(rows(run(stdin="".join(f"text {number}\n" for number in range(200)).encode()))) == 200


def test_json_lines_keep_their_ids() -> None:
    lines = b'{"id": "a", "text": "tea with milk", "more": 1}\n"coffee"\n'
    lines += b'{"id": null, "text": "na\xc3\xafve \\u6771\\u4eac"}\n'
    found = rows(run("--ndjson", stdin=lines))
    assert [row.get("id") for row in found] == ["a", None, None]
    np.testing.assert_allclose([row["embedding"] for row in found], expected(TEXTS), atol=1e-7)


def test_each_format_holds_the_same_vectors(tmp_path: Path) -> None:
    whole = json.loads(run(*TEXTS, "--json").stdout)
    assert (whole["model"], whole["dimensions"]) == ("hash", DIM)
    np.testing.assert_allclose([row["embedding"] for row in whole["embeddings"]], expected(TEXTS), atol=1e-7)
    lines = rows(run(*TEXTS, "--format", "base64"))
    decoded = [np.frombuffer(base64.b64decode(str(row["embedding"])), "<f4") for row in lines]
    np.testing.assert_array_equal(decoded, expected(TEXTS))
    array = np.load(io.BytesIO(run(*TEXTS, "--format", "npy").stdout_bytes), allow_pickle=False)
    np.testing.assert_array_equal(array, expected(TEXTS))
    file = tmp_path / "vectors.npy"
    result = run(*TEXTS, "--format", "npy", "--output", str(file))
    assert "3 vectors of 64 numbers" in result.stderr
    np.testing.assert_array_equal(np.load(file, allow_pickle=False), expected(TEXTS))
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "place"),
    [
        (["tea", ""], None, "empty-text", "text 2"),
        (["tea\udc80"], None, "bad-text", "text 1"),
        ([], b"tea\n\xff\xfe\n", "bad-text", "standard input, line 2"),
        (["--ndjson"], b'{"text": "half \\ud83d"}', "bad-text", "line 1"),
        (["--ndjson"], b'"tea"\n{"text": 3}', "malformed-json", "line 2"),
        (["--ndjson"], b"[" * 100_000, "malformed-json", "line 1"),
        (["--ndjson"], b'{"text": " "}', "empty-text", "line 1"),
        (["--model", "no such model", "tea"], None, "unknown-model", "no such model"),
    ],
)
def test_bad_texts_are_refused_by_their_place(
    tmp_path: Path, arguments: list[str], stdin: bytes | None, code: str, place: str
) -> None:
    target = tmp_path / "out"
    result = run(*arguments, "--output", str(target), "--json", stdin=stdin)
    assert result.exit_code == 1
    error = json.loads(result.stderr)["error"]
    assert error["code"] == code
    assert place in error["message"]
    assert list(tmp_path.iterdir()) == []


def test_ten_megabytes_without_a_blank_are_cut() -> None:
    found = rows(run(stdin=b"x" * 10_000_000 + b"\ncoffee\n"))
    np.testing.assert_allclose(found[1]["embedding"], expected(["coffee"])[0], atol=1e-7)


def test_no_texts_are_no_error() -> None:
    assert rows(run(stdin=b"")) == []


@pytest.mark.parametrize(
    "arguments", [["--format", "xml", "x"], ["--json", "--format", "npy", "x"], ["--file", "none"]]
)
def test_a_wrong_call_is_exit_code_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


@pytest.fixture
def provider() -> Iterator[ProviderServer]:
    with provider_server() as running:
        yield running


def test_models_of_providers_can_be_asked(provider: ProviderServer, tmp_path: Path) -> None:
    env = {
        "NEARFIELD_DATA_DIR": str(tmp_path),
        "NEARFIELD_COHERE_URL": provider.root,
        "NEARFIELD_COHERE_KEY": KEY,
        "NEARFIELD_MODEL": "cohere:embed-test",
    }
    found = rows(run(*TEXTS, "--role", "query", env=env))
    np.testing.assert_allclose([row["embedding"] for row in found], expected(TEXTS), atol=1e-6)
    assert [asked.body["input_type"] for asked in provider.asked] == ["search_document", "search_query"]
    provider.then(status(401, {"message": f"invalid token {KEY}"}))
    refused = run("tea", env=env)
    assert refused.exit_code == 1
    assert "invalid token ***" in refused.stderr
    assert KEY not in refused.output


def test_settings_with_keys_are_listed_and_refused_without_them(tmp_path: Path) -> None:
    env = {
        "NEARFIELD_OPENAI_KEY": KEY,
        "NEARFIELD_OPENAI_URL": "http://127.0.0.1:1/v1",
        "NEARFIELD_DATA_DIR": str(tmp_path),
    }
    for arguments in (["doctor", "--settings"], ["doctor", "--settings", "--json"]):
        result = CliRunner().invoke(main, arguments, env=env)
        assert result.exit_code == 0
        assert "http://127.0.0.1:1/v1" in result.output
        assert KEY not in result.output
    wrong = (
        {"NEARFIELD_LEDGER_URL": "redis://:secret-word@host"},
        {"NEARFIELD_OPENAI_URL": "http://user:secret-word@host/v1"},
        {"NEARFIELD_COHERE_URL": "http://host/?key=secret-word"},
        {"NEARFIELD_AZURE_URL": "secret-word"},
        {"NEARFIELD_PROVIDER_MODELS": "openai:a=many"},
        {"NEARFIELD_PROVIDER_MODELS": "azure:a/../b"},
    )
    for change in wrong:
        result = CliRunner().invoke(main, ["status"], env={**env, **change})
        assert result.exit_code == 2, change
        assert KEY not in result.output
        assert "secret-word" not in result.output
