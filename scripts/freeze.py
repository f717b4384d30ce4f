"""Prints ``constraints.txt`` for what is installed in the environment that runs it.

To move a pin: change it in ``pyproject.toml``, install it, run the tests, then
``.venv/bin/python -m scripts.freeze > constraints.new && mv constraints.new constraints.txt``.
"""

from __future__ import annotations

from importlib import metadata

from scripts.pins import normalised

NOT_PINNED = {"nearfield", "pip"}
ONLY_ELSEWHERE = {"async-timeout": "5.0.1"}  # redis wants it on Python 3.11.0 to 3.11.2, such as Debian 12's
HEADER = """\
# Every package of the product and of its tests, exactly. Written by `python -m scripts.freeze`; see there.
# torch stands without a build suffix, so that the CPU build and the CUDA build both satisfy it.
"""


def installed() -> dict[str, str]:
    """Version by normalised name of all that is installed here, without build suffixes (``2.13.0+cpu``)."""
    found = {normalised(dist.metadata["Name"]): dist.version.partition("+")[0] for dist in metadata.distributions()}
    found = ONLY_ELSEWHERE | {name: version for name, version in found.items() if name not in NOT_PINNED}
    return dict(sorted(found.items()))


if __name__ == "__main__":
    print(HEADER + "\n".join(f"{name}=={version}" for name, version in installed().items()))
