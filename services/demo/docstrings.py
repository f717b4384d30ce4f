"""Docstrings as documents: from source code by ``ast``, without running it, and from a few C modules by ``inspect``."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

from services.demo.modules import SourceModule, top_level

MODULE, CLASS, FUNCTION = "module", "class", "function"
MIN_WORDS = 4
_MAX_SIGNATURE_CHARS = 200
_LISTED = re.compile(r"^\w+\(.*\) -- .*\n?", re.MULTILINE)
"""A line of the table of functions in a C module's docstring: each of them is a document of its own."""
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True, slots=True)
class Docstring:
    """One documented thing. ``name`` is dotted and starts with the module; a method's ``owner`` is its class's name."""

    name: str
    module: str
    kind: str
    signature: str
    text: str
    owner: str = ""

    @property
    def id(self) -> str:
        """A document id that stays the same from one Python to the next; the kind keeps namesakes apart."""
        return f"{self.kind}:{self.name}"

    @property
    def top_module(self) -> str:
        """The module people import, for the filter."""
        return top_level(self.module)


def read_source(module: SourceModule) -> list[Docstring]:
    """The docstrings of one source file, in its order; nothing for a file that this Python cannot parse."""
    try:
        tree = ast.parse(module.path.read_bytes())
    except (SyntaxError, ValueError, OSError):
        return []
    found = list(_kept(module.name, module.name, MODULE, "", ast.get_docstring(tree)))
    found += _definitions(tree.body, module.name, module.name)
    return found


def _definitions(body: list[ast.stmt], module: str, outer: str) -> Iterator[Docstring]:
    for node in body:
        if isinstance(node, ast.If | ast.Try | ast.With):  # definitions that depend on the platform
            yield from _definitions(_branches(node), module, outer)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield from _definition(node, module, outer)


def _definition(node: _Definition, module: str, outer: str) -> Iterator[Docstring]:
    name = f"{outer}.{node.name}"
    docstring = ast.get_docstring(node)
    if isinstance(node, ast.ClassDef):
        yield from _kept(name, module, CLASS, node.name, docstring)
        yield from _definitions(node.body, module, name)
    else:
        signature = f"{node.name}({ast.unparse(node.args)})"
        yield from _kept(name, module, FUNCTION, signature, docstring, owner=outer if outer != module else "")


def _branches(node: ast.If | ast.Try | ast.With) -> list[ast.stmt]:
    branches = list(node.body)
    if isinstance(node, ast.If | ast.Try):
        branches += node.orelse
    if isinstance(node, ast.Try):
        branches += node.finalbody + [statement for handler in node.handlers for statement in handler.body]
    return branches


def read_built_in(name: str, public: str) -> list[Docstring]:
    """The docstrings of a module written in C, imported; nothing where this Python has no such module."""
    try:
        module = importlib.import_module(name)
    except ImportError:
        return []
    found = list(_kept(public, public, MODULE, "", _LISTED.sub("", inspect.getdoc(module) or "")))
    found += _members(module, public, public)
    return found


def _members(owner: ModuleType | type, module: str, outer: str) -> Iterator[Docstring]:
    for name, member in sorted(vars(owner).items()):
        if name.startswith("_"):
            continue
        dotted = f"{outer}.{name}"
        if inspect.isclass(member):
            if isinstance(owner, ModuleType):  # no class inside a class: that is how a type is led back to itself
                yield from _kept(dotted, module, CLASS, name, inspect.getdoc(member))
                yield from _members(member, module, dotted)
        elif inspect.isroutine(member):
            owned_by = "" if isinstance(owner, ModuleType) else outer
            yield from _kept(dotted, module, FUNCTION, _signature(name, member), inspect.getdoc(member), owner=owned_by)


def _signature(name: str, member: object) -> str:
    try:
        return name + str(inspect.signature(member))  # type: ignore[arg-type]
    except (ValueError, TypeError):  # many C functions tell theirs only in the docstring
        return name


def _kept(
    name: str, module: str, kind: str, signature: str, docstring: str | None, owner: str = ""
) -> Iterator[Docstring]:
    """The docstring, unless it says next to nothing."""
    text = (docstring or "").strip()
    if len(text.split()) >= MIN_WORDS:
        shown = signature if len(signature) <= _MAX_SIGNATURE_CHARS else signature[: _MAX_SIGNATURE_CHARS - 3] + "..."
        yield Docstring(name, module, kind, shown, text, owner)


def python_version() -> str:
    """What the demo's documents are made from: they differ from one Python to the next."""
    return f"python-{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
