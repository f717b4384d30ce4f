"""Which paths a source takes: glob patterns, matched in time linear in path times pattern."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from services.errors import InvalidInput

MAX_PATTERNS = 50
MAX_PATTERN_CHARS = 200


def check_patterns(patterns: Sequence[str], pointer: str) -> tuple[str, ...]:
    """The patterns without blanks around them.

    Raises:
        InvalidInput: too many, too long or empty ones.
    """
    if len(patterns) > MAX_PATTERNS:
        raise InvalidInput(f"there are {len(patterns)} patterns; at most {MAX_PATTERNS} are taken", pointer=pointer)
    for number, pattern in enumerate(patterns):
        if not pattern.strip() or len(pattern) > MAX_PATTERN_CHARS or not pattern.isprintable():
            raise InvalidInput(
                f"the pattern {pattern[:80]!r} cannot be used; give 1 to {MAX_PATTERN_CHARS} visible characters, "
                "such as '*.md', 'docs/**' or '**/drafts/*'",
                code="bad-pattern",
                pointer=f"{pointer}/{number}",
            )
    return tuple(pattern.strip() for pattern in patterns)


def wanted(path: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    """Whether a relative path is taken: one of ``include`` matches (all, when there is none), none of ``exclude``."""
    if include and not any(matches(path, pattern) for pattern in include):
        return False
    return not any(matches(path, pattern) for pattern in exclude)


def matches(path: str, pattern: str) -> bool:
    """Whether a pattern covers a relative path.

    ``*`` and ``?`` stay within one step of the path, ``**`` covers any number of steps. A pattern without "/" is held
    against the last step, wherever it stands; one that ends in "/" covers everything below.
    """
    pattern = pattern.lstrip("/")
    if pattern.endswith("/"):
        pattern += "**"
    steps = path.split("/")
    if "/" not in pattern and pattern != "**":
        return fnmatchcase(steps[-1], pattern)
    return _steps_match(steps, pattern.split("/"))


def _steps_match(steps: list[str], patterns: list[str]) -> bool:
    """Row by row over the patterns: ``reached[i]`` says whether the first i steps are covered so far."""
    reached = [True] + [False] * len(steps)
    for pattern in patterns:
        if pattern == "**":
            for place in range(1, len(reached)):
                reached[place] = reached[place] or reached[place - 1]
        else:
            matched = [fnmatchcase(step, pattern) for step in steps]
            reached = [False] + [reached[place] and matched[place] for place in range(len(steps))]
    return reached[-1]
