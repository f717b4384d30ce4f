"""Questions for the demo collection that share no telling word with what they find."""

from __future__ import annotations

from dataclasses import dataclass

from web.pages.state import SearchState

DEMO_COLLECTION = "python"


@dataclass(frozen=True, slots=True)
class Example:
    """A question in everyday words, and what it leads to."""

    question: str
    finds: str

    @property
    def state(self) -> SearchState:
        """The search that asks it."""
        return SearchState(query=self.question)


EXAMPLES = (
    Example("shrink a file before sending it", "gzip, zlib and bz2"),
    Example("remember answers so they are not worked out twice", "functools.cache"),
    Example("pick a winner fairly", "random.choice"),
    Example("how long does my code take to run", "timeit"),
    Example("tidy up when the program quits", "atexit"),
)
