"""The shape of the code: small rooms, modules that only define, and a few things that are never done."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT, SHIMS, Module, all_sources, modules

MOST_LINES = 400
MOST_LINES_OF_TESTS = 500  # lists of cases are long without being complicated
# Where the environment may be read: the settings' table, and the command line, which hands its own on to children.
READS_ENVIRONMENT = ("services.settings", "cli")


def most_lines(path: Path) -> int:
    """The cap of a file, by where it lies."""
    return MOST_LINES_OF_TESTS if path.parts[0] == "tests" else MOST_LINES


def test_no_file_grows_beyond_one_job() -> None:
    sizes = {path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines()) for path in all_sources()}
    large = {str(path): lines for path, lines in sizes.items() if lines > most_lines(path)}
    assert not large, f"split these by idea; at most {MOST_LINES} lines, {MOST_LINES_OF_TESTS} in tests: {large}"


def acts(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements at module level that do something when the module is imported."""
    for statement in tree.body:
        match statement:
            case ast.Expr(value=ast.Constant()):
                pass
            case ast.Expr() | ast.For() | ast.While() | ast.With() | ast.Delete():
                yield statement
            case ast.If() if not _is_guard(statement.test):
                yield statement


def _is_guard(test: ast.expr) -> bool:
    """``if TYPE_CHECKING`` and ``if __name__ == "__main__"``."""
    return ast.unparse(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING", "__name__ == '__main__'")


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_modules_define_and_do_not_act(module: Module) -> None:
    assert [ast.unparse(statement) for statement in acts(module.tree)] == []


def test_only_the_shims_can_be_started() -> None:
    started = {
        module.name
        for module in modules()
        for node in module.tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"
    }
    assert started == set(SHIMS)


@pytest.mark.parametrize("name", SHIMS)
def test_a_shim_does_next_to_nothing_by_itself(name: str) -> None:
    """One call; a process that must not wait for its threads may add its exit."""
    module = next(module for module in modules() if module.name == name)
    guard = next(node for node in module.tree.body if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test))
    assert len(guard.body) <= 3
    assert len(module.path.read_text(encoding="utf-8").splitlines()) <= 160


def test_code_of_a_model_is_never_run() -> None:
    """``trust_remote_code`` runs what a downloaded model brings along; it may appear as False only."""
    broken = []
    for module in modules():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.keyword) and node.arg == "trust_remote_code":
                if not (isinstance(node.value, ast.Constant) and node.value.value is False):
                    broken.append(f"{module.name}:{node.value.lineno}")
            elif isinstance(node, ast.Dict):
                pairs = zip(node.keys, node.values, strict=True)
                broken += [
                    f"{module.name}:{value.lineno}"
                    for key, value in pairs
                    if isinstance(key, ast.Constant)
                    and key.value == "trust_remote_code"
                    and not (isinstance(value, ast.Constant) and value.value is False)
                ]
    assert not broken


def test_pickles_are_never_loaded() -> None:
    broken = [
        f"{module.name} imports {name}"
        for module in modules()
        for name in module.imports()
        if name.partition(".")[0] in ("pickle", "cloudpickle", "dill", "marshal", "shelve", "joblib")
    ]
    assert not broken


def test_the_environment_is_read_once_at_the_edge() -> None:
    broken = [
        f"{module.name}:{node.lineno}"
        for module in modules()
        if not module.name.startswith(READS_ENVIRONMENT)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
        and node.attr in ("environ", "getenv", "environb")
    ]
    assert not broken, f"take a Settings value instead: {broken}"
