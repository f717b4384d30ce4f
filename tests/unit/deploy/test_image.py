"""The Dockerfile: everything it copies is there, everything the product needs is copied, and nobody runs as root."""

from __future__ import annotations

import json
import re
import shlex
from fnmatch import fnmatch

from packaging.specifiers import SpecifierSet

from scripts.pins import constraints, project_table
from tests.unit.deploy.parts import ROOT, compose, dockerfile, final_stage, image_environment


def copied() -> list[str]:
    """What is taken from the checkout."""
    lines = [shlex.split(rest) for name, rest in dockerfile() if name == "COPY" and "--from" not in rest]
    return [source for words in lines for source in words[:-1]]


def test_everything_that_is_copied_exists_and_reaches_the_builder() -> None:
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    let_in = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert "*" in rules
    for source in copied():
        assert (ROOT / source).exists()
        assert source in let_in
    assert let_in == set(copied())


def test_every_package_of_the_product_is_copied() -> None:
    packages = {name.removesuffix("*") for name in project_table()["tool"]["setuptools"]["packages"]["find"]["include"]}
    assert packages <= set(copied())
    assert {"pyproject.toml", "constraints.txt", "README.md", "LICENSE"} <= set(copied())


def test_data_and_secrets_stay_out_of_the_image() -> None:
    assert not {".", "./", "*"} & set(copied())
    for pattern in (".nearfield", ".env", ".venv", ".git"):
        assert not any(fnmatch(pattern, source) for source in copied())


def test_the_python_of_the_image_is_supported_and_the_same_in_both_stages() -> None:
    bases = {rest.split()[0] for name, rest in dockerfile() if name == "FROM"}
    assert len(bases) == 1
    found = re.fullmatch(r"python:(3\.\d+)-slim", bases.pop())
    assert found is not None
    assert found[1] in SpecifierSet(project_table()["project"]["requires-python"])


def test_versions_come_from_the_constraints() -> None:
    commands = [rest for name, rest in dockerfile() if name == "RUN"]
    installs = [command for command in commands if "pip install" in command]
    assert len(installs) == 3
    torch, rest, project = installs
    assert "grep '^torch==' constraints.txt" in torch
    assert "torch" in constraints()
    assert '${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"}' in torch
    assert not any("TORCH_INDEX_URL" in command for command in commands if command != torch)
    assert "-c constraints.txt" in rest
    assert "setuptools" in rest
    assert "scripts/pins.py > requirements.txt" in rest
    assert "--no-deps --no-build-isolation" in project


def test_the_index_for_torch_is_the_callers_choice() -> None:
    assert ("ARG", 'TORCH_INDEX_URL=""') in dockerfile()
    chosen = compose(TORCH_INDEX_URL="https://wheels.example.org/cpu")["services"]["web"]["build"]["args"]
    assert chosen == {"TORCH_INDEX_URL": "https://wheels.example.org/cpu"}
    assert compose()["services"]["web"]["build"]["args"] == {"TORCH_INDEX_URL": ""}


def test_the_last_stage_runs_without_root_and_without_build_tools() -> None:
    stage = final_stage()
    names = [name for name, _ in stage]
    assert "root" not in next(rest for name, rest in stage if name == "USER")
    assert names.index("USER") < names.index("CMD")
    assert not any(re.search(r"\b(pip|apt-get|gcc|make)\b", rest) for name, rest in stage if name == "RUN")


def test_the_data_folder_belongs_to_the_user_before_it_becomes_a_volume() -> None:
    """A named volume takes over the owner of the image's folder; one made by VOLUME alone belongs to root."""
    stage = final_stage()
    folder = image_environment()["NEARFIELD_DATA_DIR"]
    user = next(rest for name, rest in stage if name == "USER")
    made = next(number for number, (name, rest) in enumerate(stage) if name == "RUN" and f"--owner={user}" in rest)
    assert stage[made][1].endswith(folder)
    assert made < stage.index(("VOLUME", folder))


def test_the_default_command_and_port_are_the_web_servers() -> None:
    stage = dict(final_stage())
    assert json.loads(stage["CMD"]) == compose()["services"]["web"]["command"]
    assert stage["EXPOSE"] == image_environment()["NEARFIELD_BIND"].rpartition(":")[2]


def test_the_health_check_is_where_compose_calls_it() -> None:
    called = {
        service["healthcheck"]["test"][2] for name, service in compose()["services"].items() if "build" in service
    }
    assert {rest.split()[-1] for name, rest in final_stage() if "health.py" in rest} == called
