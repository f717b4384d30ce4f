"""docker-compose.yml says what the code can do: every command, variable, port and health check exists."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from scripts.pins import project_table
from services.redis_clients import database_of
from services.settings import ENV_PREFIX, Settings, load_settings, split_bind
from services.wiring import load_options
from tests.unit.deploy.parts import OURS, ROOT, STORES, compose, image_environment


def environment_of(service: str, **variables: str) -> dict[str, str]:
    return {**image_environment(), **compose(**variables)["services"][service]["environment"]}


def test_there_are_the_parts_of_the_design_and_no_others() -> None:
    assert set(compose()["services"]) == {*OURS, *STORES}


@pytest.mark.parametrize("service", OURS)
def test_the_command_starts_and_knows_its_options(service: str) -> None:
    command = compose()["services"][service]["command"]
    assert command[:2] == ["python", "-m"]
    shown = subprocess.run(
        [sys.executable, *command[1:3], "--help"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert shown.returncode == 0, shown.stderr
    options = [word for word in command[3:] if word.startswith("-")]
    assert [option for option in options if option not in shown.stdout] == []


@pytest.mark.parametrize("service", OURS)
def test_every_variable_is_a_setting_with_a_possible_value(service: str) -> None:
    environment = environment_of(service)
    names = {name.removeprefix(ENV_PREFIX).lower() for name in environment if name.startswith(ENV_PREFIX)}
    assert names <= set(Settings.model_fields)
    settings = load_settings(environment)
    assert settings.ledger_url != settings.index_url
    assert database_of(settings.index_url or "") == 0
    assert settings.model == Settings.model_fields["model"].default


def test_variables_of_the_callers_shell_reach_the_containers() -> None:
    given = {
        "REDIS_PASSWORD": "S3cret",
        "NEARFIELD_LOG_LEVEL": "debug",
        "NEARFIELD_ALLOWED_HOSTS": "search.example.org",
        "NEARFIELD_RERANKERS": "ms-marco",
    }
    settings = load_settings(environment_of("web", **given))
    assert settings.log_level == "debug"
    assert settings.allowed_hosts == "search.example.org"
    assert settings.rerankers == "ms-marco"
    for url in (settings.ledger_url, settings.index_url):
        assert urlsplit(url or "").password == "S3cret"


@pytest.mark.parametrize("service", OURS)
def test_models_and_their_providers_are_the_same_for_every_part(service: str) -> None:
    """A worker that knew another provider, or another folder of models, could not embed what the web server took."""
    given = {
        "NEARFIELD_OPENAI_URL": "http://ollama:11434/v1", "NEARFIELD_OPENAI_KEY": "one",
        "NEARFIELD_AZURE_URL": "https://name.openai.azure.com", "NEARFIELD_AZURE_KEY": "two",
        "NEARFIELD_AZURE_API_VERSION": "2025-01-01", "NEARFIELD_COHERE_URL": "http://cohere:1/v2",
        "NEARFIELD_COHERE_KEY": "three", "NEARFIELD_PROVIDER_MODELS": "openai:some-model=768",
        "NEARFIELD_MODEL": "openai:some-model", "NEARFIELD_DEVICE": "cpu", "NEARFIELD_PRECISION": "fp32",
    }  # fmt: skip
    model_settings = {
        name for name in Settings.model_fields
        if name.startswith(("openai_", "azure_", "cohere_", "provider_")) or name in ("model", "device", "precision")
    }  # fmt: skip
    assert {name.removeprefix(ENV_PREFIX).lower() for name in given} == model_settings
    environment = environment_of(service, **given)
    assert {name: environment[name] for name in given} == given
    assert load_options(load_settings(environment)).models_dir == Path("/data/models")


@pytest.mark.parametrize("service", OURS)
def test_each_url_names_a_server_that_is_there(service: str) -> None:
    described = compose()
    settings = load_settings(environment_of(service))
    for role, url in (("ledger", settings.ledger_url), ("index", settings.index_url)):
        parts = urlsplit(url or "")
        assert (parts.hostname, parts.port) == (role, 6379)
        assert set(described["services"][role]["networks"]) <= set(described["services"][service]["networks"])
        assert described["services"][service]["depends_on"][role] == {"condition": "service_healthy"}


def test_only_the_web_server_is_published_and_only_on_this_machine() -> None:
    services = compose()["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["web"]
    assert services["web"]["ports"] == ["127.0.0.1:8080:8080"]
    assert compose(WEB_PORT="9000")["services"]["web"]["ports"] == ["127.0.0.1:9000:8080"]
    host, port = split_bind(load_settings(environment_of("web")).bind)
    assert (host, port) == ("0.0.0.0", 8080)
    assert "network_mode" not in services["web"]


def test_the_stores_are_on_a_network_without_a_way_out() -> None:
    described = compose()
    assert described["networks"]["store"]["internal"] is True
    for store in STORES:
        assert described["services"][store]["networks"] == ["store"]


def routes() -> set[str]:
    """Every text in the web package that could be a route."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "web").rglob("*.py")]
    return {
        argument.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for argument in node.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }


def test_the_web_servers_health_check_asks_a_route_that_exists() -> None:
    web = compose()["services"]["web"]
    *_, program, kind, url = web["healthcheck"]["test"]
    assert (program, kind) == ("/opt/nearfield/health.py", "http")
    parts = urlsplit(url)
    assert parts.path in routes()
    assert (parts.hostname, parts.port) == ("127.0.0.1", split_bind(load_settings(environment_of("web")).bind)[1])


@pytest.mark.parametrize("service", ["worker", "keeper", "collector"])
def test_the_health_check_reads_the_heartbeat_that_is_written(service: str) -> None:
    described = compose()["services"][service]
    *_, program, kind, path = described["healthcheck"]["test"]
    assert (program, kind) == ("/opt/nearfield/health.py", "heartbeat")
    command = described["command"]
    assert command[command.index("--heartbeat") + 1] == path
    folder = path.rpartition("/")[0]
    assert any(mount.split(":")[0] == folder for mount in described["tmpfs"]), "must be empty at every start"


@pytest.mark.parametrize("service", [*OURS, *STORES])
def test_everything_comes_back_and_ends_in_time(service: str) -> None:
    described = compose()["services"][service]
    assert described["restart"] == "always"
    assert int(described["stop_grace_period"].removesuffix("s")) >= 15  # a worker is given 7 s, Redis writes its log
    assert set(described["healthcheck"]) >= {"test", "interval", "timeout", "retries", "start_period"}


@pytest.mark.parametrize("service", OURS)
def test_our_parts_run_one_image_of_this_version_under_an_init(service: str) -> None:
    described = compose()["services"][service]
    assert described["image"] == f"nearfield:{project_table()['project']['version']}"
    assert described["init"] is True
    assert described["cap_drop"] == ["ALL"]
    assert "user" not in described  # the image's own, which is not root


def test_workers_can_be_many() -> None:
    worker = compose()["services"]["worker"]
    assert "container_name" not in worker
    assert "ports" not in worker
    assert "hostname" not in worker


def test_what_must_survive_lies_in_named_volumes() -> None:
    described = compose()
    mounts = {
        name: dict(mount.split(":")[:2] for mount in service["volumes"])
        for name, service in described["services"].items()
    }
    for service in OURS:
        assert mounts[service] == {"data": environment_of(service)["NEARFIELD_DATA_DIR"]}
    assert mounts["ledger"] == {"ledger": "/data"}
    assert mounts["index"] == {"index": "/data"}
    assert set(described["volumes"]) == {"data", "ledger", "index"}


def test_every_variable_is_explained_at_the_top() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    head = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    used = set(re.findall(r"\$\{([A-Z_]+)", text))
    assert used == set(re.findall(r"\b(?:[A-Z]+_)+[A-Z]+\b", head))
