"""The demo's questions as the page offers them, each a link to its search."""

from __future__ import annotations

from dataclasses import dataclass

from services.demo.docstrings import MODULE
from services.demo.load import COLLECTION as DEMO_COLLECTION
from services.demo.questions import QUESTIONS, Question
from web.pages.state import FILTER_PREFIX, SearchState

__all__ = ["DEMO_COLLECTION", "EXAMPLES", "Example"]

# Asked of everything, this one finds methods that send files first; a module's own words say what it is for.
_ASKED_OF_MODULES = {"shrink a file before sending it": ("zlib", "gzip", "bz2")}


@dataclass(frozen=True, slots=True)
class Example:
    """A question in everyday words, the modules it finds on the first page of answers, and the search that asks it."""

    question: str
    modules: tuple[str, ...]
    state: SearchState

    @property
    def finds(self) -> str:
        """The modules, for people: "zlib, gzip and bz2"."""
        *others, last = self.modules
        return f"{', '.join(others)} and {last}" if others else last


def _example(question: Question) -> Example:
    modules = _ASKED_OF_MODULES.get(question.text)
    filters = ((f"{FILTER_PREFIX}kind", MODULE),) if modules else ()
    return Example(question.text, modules or question.answers[:1], SearchState(query=question.text, filters=filters))


EXAMPLES = tuple(_example(question) for question in QUESTIONS)
