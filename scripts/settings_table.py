"""The README's table of settings, made from the settings themselves.

``python -m scripts.settings_table`` prints it; with ``--write`` it takes its place in README.md, between two markers.
A test compares the two, so a new setting cannot stay undocumented.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic.fields import FieldInfo

from services.settings import ENV_PREFIX, Settings

README = Path(__file__).resolve().parents[1] / "README.md"
BEGIN = "<!-- settings:begin -->"
END = "<!-- settings:end -->"


def shown_default(field: FieldInfo) -> str:
    """A default as a reader wants it: the value in code, "unset", or what the function that makes it says of itself."""
    if field.default_factory is not None:
        return (field.default_factory.__doc__ or "").strip().rstrip(".").replace("``", "`")
    if field.default in (None, ""):
        return "unset"
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


def table() -> str:
    """All settings as a Markdown table, in the order of the class."""
    lines = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        lines.append(f"| `{ENV_PREFIX}{name.upper()}` | {shown_default(field)} | {field.description} |")
    return "\n".join(lines)


def documented(readme: str) -> str:
    """The table that stands between the markers.

    Raises:
        ValueError: a marker is missing.
    """
    if BEGIN not in readme or END not in readme:
        raise ValueError(f"README.md has no place for the settings: {BEGIN} and {END}")
    return readme.partition(BEGIN)[2].partition(END)[0].strip()


def with_table(readme: str) -> str:
    """The README with the table in its place."""
    documented(readme)
    before, _, rest = readme.partition(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(table())
