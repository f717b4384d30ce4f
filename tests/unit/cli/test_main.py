from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.commands.up import _bind
from cli.main import COMMANDS, main
from services.settings import Settings

NOBODY = "http://127.0.0.1:9"


def run(*arguments: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(main, list(arguments), env={"NEARFIELD_URL": NOBODY, **(env or {})})


def test_help_lists_every_command_without_importing_one() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from cli.main import main\n"
        "result = CliRunner().invoke(main, ['--help'])\n"
        "heavy = {'torch', 'redis', 'httpx2', 'rich', 'sentence_transformers', 'celery', 'flask', 'numpy'}\n"
        "print(result.exit_code, sorted(heavy & set(sys.modules)), "
        "[m for m in sys.modules if m.startswith('cli.commands')])\n"
        "print(result.output)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.startswith("0 [] []")
    assert all(name in shown and text in shown for name, (_, text) in COMMANDS.items())
    assert "Exit codes" in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_that_begins_as_the_list_says(name: str) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    assert COMMANDS[name][1].rstrip(".").split(":")[0].split(",")[0] in " ".join(result.output.split())
    assert "--json" in result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_imports_the_model_to_be_called(name: str) -> None:
    code = (
        "import sys; from click.testing import CliRunner; from cli.main import main\n"
        f"CliRunner().invoke(main, [{name!r}, '--help'])\n"
        "print(sorted({'torch', 'sentence_transformers', 'celery', 'flask', 'web', 'workers'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["up", "--port", "65536"],
        ["up", "--port", "http"],
        ["search"],
        ["search", "x", "--limit", "0"],
        ["search", "x", "--filter", "{"],
        ["add"],
        ["add", "/no/such/path"],
        ["eval", "--data", "/no/such/folder"],
        ["eval", "--data", ".", "--mode", "telepathic"],
        ["eval", "--data", ".", "--k", "101"],
        ["eval", "--data", ".", "--collection", "x", "--collection-per-run"],
        ["status", "extra"],
    ],
)
def test_a_wrong_call_is_exit_code_2(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Usage:" in result.output


def test_an_unknown_setting_is_exit_code_2_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run("status", env={"NEARFIELD_PROT": "8080"})
    assert result.exit_code == 2
    assert "NEARFIELD_PROT" in result.output
    injected = {"NEARFIELD_SERVICE_HOST": "10.0.0.1", "NEARFIELD_PORT": "tcp://10.0.0.1:80"}
    assert run("status", env={**injected, "KUBERNETES_SERVICE_HOST": "10.0.0.2"}).exit_code == 1
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert run("status", env=injected).exit_code == 2


@pytest.mark.parametrize("arguments", [["status"], ["search", "x"], ["demo"], ["add", __file__]])
def test_nobody_there_is_exit_code_1_with_what_to_do(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 1
    assert "unreachable" in result.stderr
    assert "nearfield up" in result.stderr
    assert NOBODY in result.stderr


def test_errors_for_scripts_are_json_on_stderr() -> None:
    result = run("status", "--json")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert json.loads(result.stderr)["error"]["code"] == "unreachable"


def test_the_version_is_shown() -> None:
    result = run("--version")
    assert result.exit_code == 0
    assert result.output.startswith("nearfield ")


@pytest.mark.parametrize(
    ("given", "host", "port", "expected"),
    [
        ("127.0.0.1:8080", None, 0, "127.0.0.1:0"),
        ("127.0.0.1:8080", "0.0.0.0", None, "0.0.0.0:8080"),
        ("127.0.0.1:8080", "::1", 9000, "[::1]:9000"),
        ("[::]:8080", None, 1, "[::]:1"),
        ("127.0.0.1:8080", "[::1]", None, "[::1]:8080"),
    ],
)
def test_host_and_port_of_the_command_line_win(given: str, host: str | None, port: int | None, expected: str) -> None:
    assert _bind(given, host, port) == expected


def test_up_names_what_is_wrong_with_its_folder(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    result = run("up", "--data-dir", str(tmp_path), "--json")
    assert result.exit_code == 1
    assert json.loads(result.stderr)["error"]["code"] == "foreign-data-folder"


def test_the_settings_are_listed_without_passwords() -> None:
    url = "redis://user:s3cret@db.example:6379/1"
    env = {"NEARFIELD_LEDGER_URL": url, "NEARFIELD_INDEX_URL": "redis://db2.example"}
    result = run("doctor", "--settings", "--json", env=env)
    assert result.exit_code == 0
    rows = {row["variable"]: row for row in json.loads(result.output)}
    assert rows["NEARFIELD_LEDGER_URL"]["value"] == "redis://***@db.example:6379/1"
    assert rows["NEARFIELD_BATCH_TOKENS"]["default"] == str(Settings.model_fields["batch_tokens"].default)
    assert "s3cret" not in run("doctor", "--settings", env=env).output
