"""What users rely on is written down, and what is written down exists."""

from __future__ import annotations

import re

from cli.main import COMMANDS
from scripts.settings_table import documented, shown_default, table, with_table
from services.settings import Settings
from tests.architecture.sources import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PAGES = {"README.md": README} | {
    f"docs/{path.name}": path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")
}


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):.*## ", MAKEFILE, re.MULTILINE))


def test_every_setting_is_in_the_readme() -> None:
    assert documented(README) == table(), "run: .venv/bin/python -m scripts.settings_table --write"


def test_every_setting_says_what_it_is_for() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
    assert [name for name, field in Settings.model_fields.items() if not shown_default(field)] == []


def test_writing_the_table_keeps_the_rest_of_the_readme() -> None:
    text = "before\n<!-- settings:begin -->\nold\n<!-- settings:end -->\nafter\n"
    assert with_table(text) == f"before\n<!-- settings:begin -->\n{table()}\n<!-- settings:end -->\nafter\n"


def test_every_make_target_that_is_named_exists() -> None:
    named = {
        (page, target)
        for page, text in PAGES.items()
        for target in re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE)
    }
    assert {target for _, target in named} >= {"run", "test"}
    assert {(page, target) for page, target in named if target not in make_targets()} == set()


def test_every_command_that_is_named_exists() -> None:
    named = {
        (page, name)
        for page, text in PAGES.items()
        for name in re.findall(r"(?:`|^|/bin/|exec web )nearfield ([a-z]+)", text, re.MULTILINE)
    }
    assert {name for _, name in named} >= {"up", "add", "search"}
    assert {(page, name) for page, name in named if name not in COMMANDS} == set()


def test_every_command_is_in_the_readme() -> None:
    assert [name for name in COMMANDS if f"`nearfield {name}" not in README] == []


def test_every_variable_that_is_named_exists() -> None:
    settings = {f"NEARFIELD_{name.upper()}" for name in Settings.model_fields}
    for page, text in PAGES.items():
        assert set(re.findall(r"NEARFIELD_[A-Z_]*[A-Z]", text)) <= settings, page


def test_links_between_pages_lead_somewhere() -> None:
    broken = [
        (page, link)
        for page, text in PAGES.items()
        for link in re.findall(r"\]\(([^)#]+)", text)
        if "://" not in link and not ((ROOT / page).parent / link).exists()
    ]
    assert not broken
