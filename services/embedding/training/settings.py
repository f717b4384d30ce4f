"""Settings of trainers: what there is, what is allowed, and a clear refusal of everything else."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass

from services.embedding.families import Setting
from services.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number between two others, both allowed."""

    default: int
    least: int
    most: int

    @property
    def allowed(self) -> str:
        """The range, for people."""
        return f"a whole number from {self.least:,} to {self.most:,}"

    def takes(self, value: Setting) -> bool:
        """Whether the value is one of those."""
        return isinstance(value, int) and not isinstance(value, bool) and self.least <= value <= self.most


@dataclass(frozen=True, slots=True)
class Real:
    """A number between two others, both allowed."""

    default: float
    least: float
    most: float

    @property
    def allowed(self) -> str:
        """The range, for people."""
        return f"a number from {self.least:g} to {self.most:g}"

    def takes(self, value: Setting) -> bool:
        """Whether the value is one of those."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return math.isfinite(value) and self.least <= value <= self.most


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    default: str
    words: tuple[str, ...]

    @property
    def allowed(self) -> str:
        """The words, for people."""
        return " or ".join(repr(word) for word in self.words)

    def takes(self, value: Setting) -> bool:
        """Whether the value is one of those."""
        return value in self.words


Rule = Whole | Real | Choice


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings that were checked: every rule's value, given or by default."""

    family: str
    values: Mapping[str, Setting]

    def whole(self, name: str) -> int:
        """A setting under a ``Whole`` rule."""
        return int(self.values[name])

    def real(self, name: str) -> float:
        """A setting under a ``Real`` rule."""
        return float(self.values[name])

    def word(self, name: str) -> str:
        """A setting under a ``Choice`` rule."""
        return str(self.values[name])


def read_settings(family: str, given: Mapping[str, Setting], rules: Mapping[str, Rule]) -> Settings:
    """What was given, with defaults for the rest.

    Raises:
        InvalidInput: code "bad-training", an unknown setting or a value that is not allowed.
    """
    for name, value in given.items():
        rule = rules.get(name)
        if rule is None:
            near = difflib.get_close_matches(name, rules, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise bad_training(family, f"there is no setting {name[:40]!r}; {hint}there are {', '.join(rules)}")
        if not rule.takes(value):
            raise bad_training(
                family,
                f"setting {name!r} was {str(value)[:40]!r}, allowed is {rule.allowed}; leave it out for "
                f"{rule.default!r}",
            )
    return Settings(family, {name: given.get(name, rule.default) for name, rule in rules.items()})


def ordered_pair(settings: Settings, least: str, most: str) -> tuple[int, int]:
    """Two settings of which the first must not be above the second.

    Raises:
        InvalidInput: code "bad-training".
    """
    low, high = settings.whole(least), settings.whole(most)
    if low > high:
        raise bad_training(settings.family, f"{least} is {low} and {most} {high}; set {least} to at most {most}")
    return low, high


def bad_training(family: str, why: str) -> InvalidInput:
    """The error of a training that cannot be done as asked."""
    return InvalidInput(f"{family} cannot be trained: {why}", code="bad-training")
