"""The demo's questions as the page offers them, each a link to its search.

They ask among the modules: a module's own words say what it is for, where one method's docstring is near to any
question that shares a noun with it. So the module that helps is the first answer (a test with the real model holds it),
and the reader meets a filter that can be taken away.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.demo.docstrings import MODULE
from services.demo.load import COLLECTION as DEMO_COLLECTION
from services.demo.questions import QUESTIONS
from web.pages.state import FILTER_PREFIX, SearchState

__all__ = ["DEMO_COLLECTION", "EXAMPLES", "Example"]


@dataclass(frozen=True, slots=True)
class Example:
    """A question in everyday words, and the module that is its first answer."""

    question: str
    finds: str

    @property
    def state(self) -> SearchState:
        """The search that asks it."""
        return SearchState(query=self.question, filters=((f"{FILTER_PREFIX}kind", MODULE),))


EXAMPLES = tuple(Example(question.text, question.answers[0]) for question in QUESTIONS)
