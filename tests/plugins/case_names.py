"""Names of test cases that are the same in every process.

pytest writes bytes into a case's name. Bytes that hold the hour of packing (gzip, ZIP) then give two workers of one
run two names for the same case, and the run ends before its first test.
"""

from __future__ import annotations

import pytest

_READABLE_BYTES = 16


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Long bytes are called after their parameter; pytest numbers the cases that share a name."""
    return argname if isinstance(val, bytes) and len(val) > _READABLE_BYTES else None
