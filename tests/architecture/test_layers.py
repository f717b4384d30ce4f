"""Imports run one way: web -> services <- workers, cli -> services."""

from __future__ import annotations

import pytest

from tests.architecture.sources import HOUSES, Module, modules

# What a house may not know: other houses, and libraries that are another house's business.
FORBIDDEN = {
    "services": {"web", "workers", "cli", "tests", "bench", "scripts", "flask", "flask_openapi", "werkzeug", "waitress"}
    | {"celery", "kombu", "click", "rich"},
    "web": {"workers", "cli", "tests", "bench", "scripts", "click", "rich"},
    "workers": {"web", "cli", "tests", "bench", "scripts", "flask", "flask_openapi", "werkzeug", "waitress", "click"},
    "cli": {"web", "workers", "tests", "bench", "scripts", "flask", "flask_openapi", "celery", "kombu", "waitress"},
}
# Libraries with one door: the only modules that may import them.
DOORS = {
    "flask_openapi": {"web.openapi"},
    "torch": {"services.embedding"},
    "sentence_transformers": {"services.embedding"},
    "transformers": {"services.embedding"},
    "openvino": {"services.embedding.backends.quiet_openvino"},
    "redis_om": {"services.collections", "services.ledger"},
    "waitress": {"web.main", "web.receiving", "web.server"},
}


def top(name: str) -> str:
    return name.partition(".")[0]


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


@pytest.mark.parametrize("house", HOUSES)
def test_a_house_knows_only_what_it_may(house: str) -> None:
    broken = [
        f"{module.name} imports {name}"
        for module in modules()
        if module.house == house
        for name in module.imports()
        if top(name) in FORBIDDEN[house]
    ]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("library", sorted(DOORS))
def test_a_library_is_imported_through_its_door_alone(library: str) -> None:
    broken = [
        f"{module.name} imports {library}; only {sorted(DOORS[library])} may"
        for module in modules()
        if any(top(name) == library for name in module.imports())
        and not any(within(module.name, door) for door in DOORS[library])
    ]
    assert not broken, "\n".join(broken)


def test_relative_and_plain_imports_are_both_seen() -> None:
    """The rules above are worth what this reading of imports is worth."""
    import ast
    from pathlib import Path

    code = "import a.b\nfrom c import d\ndef f():\n    from . import e\n    from ..x.y import z\n"
    module = Module("p.q.r", Path("p/q/r.py"), ast.parse(code))
    assert set(module.imports()) == {"a.b", "c", "c.d", "p.q", "p.q.e", "p.x.y", "p.x.y.z"}
    package = Module("p.q", Path("p/q/__init__.py"), ast.parse("from . import e\n"))
    assert set(package.imports()) == {"p.q", "p.q.e"}
