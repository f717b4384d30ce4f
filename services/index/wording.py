"""How an offending value is shown in an error message."""

from __future__ import annotations

import reprlib

_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxlong, _SHORT.maxother = 2, 50, 40, 50


def shown(value: object) -> str:
    """A value in at most some 60 characters, whatever its size or type."""
    try:
        text = _SHORT.repr(value)
    except ValueError:  # integers of more than 4,300 digits are not turned into text by Python 3.11
        return "a number of thousands of digits"
    return text if len(text) <= 60 else text[:57] + "..."
