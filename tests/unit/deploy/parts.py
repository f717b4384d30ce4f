"""docker-compose.yml and Dockerfile as the tests read them: parsed, with their variables filled in."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
OURS = ("web", "worker", "keeper", "collector")
STORES = ("ledger", "index")


def interpolate(text: str, environment: Mapping[str, str]) -> str:
    """What compose makes of ``${NAME}`` and ``${NAME:-default}``; any other form is an error here."""
    filled = re.sub(r"\$\{([A-Z_]+)(?::-([^}]*))?\}", lambda found: environment.get(found[1]) or (found[2] or ""), text)
    assert "$" not in filled.replace("$$", ""), f"a form that this reader does not know: {filled}"
    return filled


def _fill(value: Any, environment: Mapping[str, str]) -> Any:
    match value:
        case str():
            return interpolate(value, environment)
        case dict():
            return {key: _fill(item, environment) for key, item in value.items()}
        case list():
            return [_fill(item, environment) for item in value]
    return value


def compose(**environment: str) -> dict[str, Any]:
    """The compose file, anchors resolved, with these variables set and no others."""
    parsed = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    filled: dict[str, Any] = _fill(parsed, environment)
    return filled


def store_config(store: str, **environment: str) -> list[tuple[str, str]]:
    """The lines of a Redis server's configuration as (name, value)."""
    content = compose(**environment)["configs"][store]["content"]
    return [(name, value) for name, _, value in (line.partition(" ") for line in content.strip().splitlines())]


@cache
def dockerfile() -> tuple[tuple[str, str], ...]:
    """The instructions of the Dockerfile as (name, rest), continuation lines joined, comments left out."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return tuple(
        (name, rest.strip()) for name, _, rest in (line.partition(" ") for line in joined.splitlines() if line)
    )


def final_stage() -> list[tuple[str, str]]:
    """The instructions of the image that is kept."""
    last = max(number for number, (name, _) in enumerate(dockerfile()) if name == "FROM")
    return list(dockerfile()[last:])


def image_environment() -> dict[str, str]:
    """The variables that the image sets."""
    words = [word for name, rest in final_stage() if name == "ENV" for word in shlex.split(rest)]
    return dict(word.split("=", 1) for word in words)
