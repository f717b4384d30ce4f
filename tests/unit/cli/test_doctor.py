from __future__ import annotations

import socket
from pathlib import Path

import pytest

from cli.commands.doctor import _shown, examine
from cli.doctor import machine, parts, running
from cli.doctor.finding import Finding, Health
from cli.up.folder import DataFolder
from services.settings import Settings, load_settings
from tests.conftest import RedisPair


@pytest.mark.parametrize(
    ("finding", "expected"),
    [
        (machine.python_version((3, 10)), Health.FAILED),
        (machine.python_version((3, 11)), Health.OK),
        (machine.python_version((3, 13)), Health.OK),
        (machine.python_version((3, 14)), Health.FAILED),
        (machine.processor("Linux", "x86_64"), Health.OK),
        (machine.processor("Linux", "aarch64"), Health.WARNING),
        (machine.processor("Darwin", "x86_64"), Health.WARNING),
        (machine.c_library("glibc", "2.34"), Health.OK),
        (machine.c_library("glibc", "2.31"), Health.FAILED),
        (machine.c_library("glibc", "3.0"), Health.OK),
        (machine.c_library("", ""), Health.WARNING),
        (machine.memory(1024), Health.FAILED),
        (machine.memory(2048), Health.WARNING),
        (machine.memory(8192), Health.OK),
        (machine.packages(), Health.OK),
    ],
)
def test_the_machine(finding: Finding, expected: Health) -> None:
    assert finding.health is expected
    assert finding.detail
    assert bool(finding.advice) == (expected is not Health.OK)


def test_a_missing_or_other_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ["click==0.0.1", "no-such-package-here==1", 'pytest==0; extra == "dev"']
    monkeypatch.setattr(machine.metadata, "requires", lambda _name: wanted)
    finding = machine.packages()
    assert finding.health is Health.FAILED
    assert "click is " in finding.detail
    assert "no-such-package-here is missing" in finding.detail
    assert "pytest" not in finding.detail


def test_the_disk_of_a_folder_that_is_not_there_yet_is_looked_at(tmp_path: Path) -> None:
    assert machine.disk(tmp_path / "a" / "b").health in (Health.OK, Health.WARNING)


def test_the_data_folder(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    assert "first start" in parts.data_folder(folder).detail
    folder.prepare()
    assert parts.data_folder(folder).health is Health.OK
    (folder.root / "VERSION").write_text("99")
    assert parts.data_folder(folder).health is Health.FAILED
    assert not (folder.root / "lock").exists()


def test_the_embedded_redis_is_started_for_real() -> None:
    finding = parts.embedded_redis()
    assert finding.health is Health.OK, finding.detail
    assert "Query Engine" in finding.detail


def test_given_servers(redis_pair: RedisPair) -> None:
    found = list(parts.given_servers(redis_pair.ledger.url, redis_pair.index.url))
    assert [finding.health for finding in found] == [Health.OK] * 3
    (same,) = parts.given_servers(redis_pair.index.url, redis_pair.index.url)
    assert same.health is Health.FAILED
    (away,) = parts.given_servers(redis_pair.ledger.url, "redis://127.0.0.1:9/0")
    assert away.health is Health.FAILED
    assert "NEARFIELD_INDEX_URL" in away.advice


def test_a_server_that_forgets_is_warned_of(redis_pair: RedisPair) -> None:
    found = parts.persistence("ledger", redis_pair.index.url, "always")
    assert found.health is Health.WARNING
    assert "appendfsync is everysec" in found.detail


def test_looking_at_the_model_makes_no_data_folder(tmp_path: Path) -> None:
    settings = load_settings({}, data_dir=tmp_path / "none")
    assert parts.model("all-MiniLM-L6-v2", settings).health is Health.OK
    assert not settings.data_dir.exists()


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    found = parts.model("hash")
    assert found.health is Health.OK
    assert "runs on numpy in fp64" in found.detail
    assert parts.model(str(tmp_path / "none")).health is Health.FAILED
    assert parts.model("somebody/some-model").health is Health.SKIPPED


def test_nobody_and_somebody_else_at_the_url() -> None:
    assert running.instance("http://127.0.0.1:9").health is Health.SKIPPED
    settings = Settings(bind="127.0.0.1:0")
    assert running.address(settings, answered=False).health is Health.OK
    assert running.address(Settings(bind="0.0.0.0:0"), answered=False).health is Health.WARNING
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        assert running.address(Settings(bind=bind), answered=False).health is Health.FAILED
        found = running.address(Settings(bind=bind, url=f"http://{bind}"), answered=True)
    assert found.health is Health.OK


def test_a_bad_setting_is_one_finding_among_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEARFIELD_MODLE", "hash")
    findings = examine()
    names = []
    for finding in findings:
        names.append(finding.name)
        if finding.name == "settings":
            assert finding.health is Health.FAILED
            assert "NEARFIELD_MODLE" in finding.detail
            break
    assert names[0] == "python"


def test_passwords_in_urls_are_not_shown() -> None:
    assert _shown("ledger_url", "redis://:s3cret@host:1/0") == "redis://***@host:1/0"
    assert _shown("index_url", "unix://:s3cret@/run/x.sock") == "unix://***@/run/x.sock"
    assert _shown("url", "http://127.0.0.1") == "http://127.0.0.1"
    assert _shown("eval_data", None) == ""
