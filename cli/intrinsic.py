"""``nearfield eval --intrinsic``: a model loaded here and checked by itself, without an instance."""

from __future__ import annotations

import time
from pathlib import Path

import click

from cli.options import read_settings
from cli.output import clean, columns, note, print_json


def print_intrinsic(model: str, folder: Path, *, as_json: bool) -> None:
    """Prints the figures of every check in the folder.

    Raises:
        ModelError: the model cannot be loaded.
        NotFound: code "evaluation-file-missing", the folder holds no check.
        InvalidInput: code "bad-evaluation-file".
    """
    from services.embedding.registry import ModelRegistry
    from services.evaluation.intrinsic import run_check
    from services.evaluation.intrinsic_data import find_checks
    from services.wiring import load_options

    checks = find_checks(folder)
    embedder = ModelRegistry(load_options(read_settings())).load(model)
    rows = []
    for check in checks:
        note(f"{clean(check.name)}: {len(check.items):,} {check.kind}")
        began = time.perf_counter()
        figures = run_check(embedder, check)
        rows.append({"name": check.name, "kind": check.kind, **figures, "seconds": time.perf_counter() - began})
    if as_json:
        print_json({"model": embedder.spec.name, "fingerprint": embedder.spec.fingerprint, "checks": rows})
        return
    click.echo(columns([(clean(str(row["name"])), str(row["kind"]), _line(row)) for row in rows]))


def _line(row: dict[str, object]) -> str:
    figures = {name: value for name, value in row.items() if name not in ("name", "kind", "seconds")}
    return ", ".join(
        f"{name.replace('_', ' ')} {value:.4f}" if isinstance(value, float) else f"{value:,} {name.replace('_', ' ')}"
        for name, value in figures.items()
    )
