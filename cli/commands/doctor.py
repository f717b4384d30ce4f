"""``nearfield doctor``: is everything there, does it work, what is to be done?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from cli.doctor.finding import Finding, Health, failed, ok
from cli.options import json_option
from cli.output import columns, print_json, wrapped
from services.errors import SettingsError
from services.settings import ENV_PREFIX, Settings, load_settings

_MARKS = {
    Health.OK: click.style("ok     ", fg="green"),
    Health.WARNING: click.style("warning", fg="yellow"),
    Health.FAILED: click.style("FAILED ", fg="red"),
    Health.SKIPPED: click.style("-      ", dim=True),
}


@click.command("doctor")
@click.option(
    "--settings", "show_settings", is_flag=True, help="List every setting, its meaning and its value, and stop."
)
@click.option("--data-dir", type=click.Path(path_type=Path), help="The data folder to look at, such as .nearfield.")
@json_option
def command(show_settings: bool, data_dir: Path | None, as_json: bool) -> None:
    """Check every part of this installation and say what to do.

    Looks at Python, the processor, the C library, the packages, memory, disk, the settings, Redis (a throw-away server
    is started), the data folder, the model (loaded once), the running instance and the address. Changes nothing.
    Exit code 1 if a check failed.
    """
    if show_settings:
        _print_settings(as_json=as_json)
        return
    findings: list[Finding] = []
    for finding in examine(data_dir):
        findings.append(finding)
        if not as_json:
            _print(finding)
    if as_json:
        print_json(
            {
                "healthy": not any(finding.health is Health.FAILED for finding in findings),
                "checks": [
                    {"name": f.name, "health": f.health.value, "detail": f.detail, "advice": f.advice} for f in findings
                ],
            }
        )
    if any(finding.health is Health.FAILED for finding in findings):
        raise click.exceptions.Exit(1)


def examine(data_dir: Path | None = None) -> Iterator[Finding]:
    """All findings, each as soon as it is there. With unusable settings the defaults are looked at."""
    from cli.doctor.machine import look_at_machine
    from cli.doctor.parts import look_at_parts
    from cli.doctor.running import look_at_instance

    try:
        settings = load_settings(data_dir=data_dir)
        found = ok("settings", f"{len(Settings.model_fields)} settings, all values usable")
    except SettingsError as error:
        settings = load_settings({}, data_dir=data_dir)
        found = failed("settings", error.message, "correct or unset the variable; `--settings` lists what there is")
    yield from look_at_machine(settings.data_dir)
    yield found
    yield from look_at_parts(settings)
    yield from look_at_instance(settings)


def _print(finding: Finding) -> None:
    click.echo(f"{_MARKS[finding.health]}  {finding.name.ljust(12)} {finding.detail}")
    if finding.advice:
        click.echo(wrapped(finding.advice, indent=" " * 22, lines=6))


def _print_settings(*, as_json: bool) -> None:
    from cli.options import read_settings

    settings = read_settings()
    rows = []
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        value = getattr(settings, name)
        rows.append(
            {
                "variable": ENV_PREFIX + name.upper(),
                "value": _shown(name, value),
                "default": _shown(name, default),
                "meaning": field.description or "",
            }
        )
    if as_json:
        print_json(rows)
    else:
        head = ("VARIABLE", "VALUE", "MEANING")
        click.echo(
            columns([head, *((row["variable"], row["value"] or "-", row["meaning"]) for row in rows)], indent="")
        )


def _shown(name: str, value: object) -> str:
    """A value as text; passwords in URLs are not shown."""
    text = "" if value is None else str(value)
    if name.endswith("_url") and "@" in text:
        scheme, _, rest = text.partition("://")
        return f"{scheme}://***@{rest.rpartition('@')[2]}"
    return text
