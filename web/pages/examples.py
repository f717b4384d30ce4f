"""The demo's questions as the page offers them, each a link to its search."""

from __future__ import annotations

from dataclasses import dataclass

from services.demo.docstrings import MODULE
from services.demo.load import COLLECTION as DEMO_COLLECTION
from services.demo.questions import QUESTIONS, Question
from web.pages.state import FILTER_PREFIX, SearchState

__all__ = ["DEMO_COLLECTION", "EXAMPLES", "Example"]

# Asked of everything, this one finds methods that send files first; a module's own words say what it is for.
_ASKED_OF_MODULES = frozenset({"shrink a file before sending it"})


@dataclass(frozen=True, slots=True)
class Example:
    """A question in everyday words, the module its first answer belongs to, and the search that asks it."""

    question: str
    finds: str
    state: SearchState


def _example(question: Question) -> Example:
    filters = ((f"{FILTER_PREFIX}kind", MODULE),) if question.text in _ASKED_OF_MODULES else ()
    return Example(question.text, question.answers[0], SearchState(query=question.text, filters=filters))


EXAMPLES = tuple(_example(question) for question in QUESTIONS)
