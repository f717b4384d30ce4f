"""The demo's documents in their fixed order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from services.demo.docstrings import CLASS, FUNCTION, MODULE, Docstring, python_version, read_built_in, read_source
from services.demo.links import documentation_url
from services.demo.modules import BUILT_IN, FIRST, source_modules, standard_library, top_level
from services.errors import NearfieldError

LAYOUT = 2  # raised when the documents are put together in another way
OWN_DOCUMENT_WORDS = 30


@dataclass(frozen=True, slots=True)
class DemoDocument:
    """One document as the API takes it."""

    id: str
    title: str
    text: str
    url: str
    module: str
    kind: str

    def as_json(self) -> dict[str, object]:
        """The body of the API's "document in"."""
        return {
            "id": self.id,
            "title": self.title,
            "text": self.text,
            "url": self.url,
            "metadata": {"module": self.module, "kind": self.kind},
        }


def corpus_name() -> str:
    """Names what the documents are: two runs with the same name send the same documents in the same order."""
    return f"{python_version()}-layout-{LAYOUT}"


def is_early(document: DemoDocument) -> bool:
    """Whether it belongs to a module of the example questions."""
    return document.module in FIRST


def demo_documents() -> Iterator[DemoDocument]:
    """All documents, each id once, read as they are asked for.

    Raises:
        NearfieldError: this Python carries no source of its standard library.
    """
    seen: set[str] = set()
    for module in _modules():
        for docstring in fold_methods(module):
            if docstring.id not in seen:
                seen.add(docstring.id)
                yield _document(docstring)
    if not seen:
        raise NearfieldError(
            f"no source of Python's standard library under {standard_library()}: install it, or start with --no-demo",
            code="no-demo-source",
        )


def _modules() -> Iterator[list[Docstring]]:
    """The docstrings of one module after the other: from its source first, then what is written in C."""
    ranks = {name: rank for rank, name in enumerate(FIRST)}
    built_in: dict[str, list[str]] = {}
    for name, public in BUILT_IN.items():
        built_in.setdefault(public, []).append(name)
    sources = source_modules(standard_library())
    names = {module.name for module in sources} | set(built_in)
    for name in sorted(names, key=lambda name: (ranks.get(top_level(name), len(FIRST)), name)):
        found = [docstring for module in sources if module.name == name for docstring in read_source(module)]
        yield found + [docstring for private in built_in.get(name, ()) for docstring in read_built_in(private, name)]


def fold_methods(docstrings: Sequence[Docstring]) -> list[Docstring]:
    """Puts methods with little to say into the document of their class; the others stay documents of their own.

    A sentence about one method of many ("Send a file through a transport.") comes close to every question that shares
    its subject, and pushes out what would help. Beside its class and siblings it says what it is about.
    """
    found: dict[str, Docstring] = {}
    for docstring in docstrings:
        if not docstring.owner or len(docstring.text.split()) >= OWN_DOCUMENT_WORDS:
            found.setdefault(docstring.id, docstring)
            continue
        owner = Docstring(docstring.owner, docstring.module, CLASS, docstring.owner.rpartition(".")[2], "")
        owner = found.setdefault(owner.id, owner)
        text = f"{owner.text}\n\n{docstring.signature}\n{docstring.text}".strip()
        found[owner.id] = replace(owner, text=text)
    return list(found.values())


def _document(docstring: Docstring) -> DemoDocument:
    """The title is the dotted name, a signature stands before the docstring, as documentation shows it.

    A module's name alone says little to a model; in whole words bz2 comes from the 10th place to the 5th for the start
    page's first question, asked of modules.
    """
    title = f"Python's {docstring.name} module" if docstring.kind == MODULE else docstring.name
    text = f"{docstring.signature}\n\n{docstring.text}" if docstring.kind == FUNCTION else docstring.text
    return DemoDocument(docstring.id, title, text, documentation_url(docstring), docstring.top_module, docstring.kind)
