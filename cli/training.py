"""Trainings of models, as the running instance tells of them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from cli.output import Progress, clean, columns

if TYPE_CHECKING:
    from cli.client import ApiClient

FINAL = ("ready", "failed", "cancelled")
_POLL_S = 0.5


def setting_of(text: str) -> tuple[str, str | int | float | bool]:
    """The name and value of "dim=128": whole numbers, numbers, true and false are read as such, the rest is text.

    Raises:
        click.UsageError: there is no "=".
    """
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.UsageError(f"--set {text!r} is not NAME=VALUE, such as dim=128")
    if value in ("true", "false"):
        return name, value == "true"
    for kind in (int, float):
        try:
            return name, kind(value)
        except ValueError:
            continue
    return name, value


def wait_for_training(client: ApiClient, training: Mapping[str, Any], bars: Progress) -> Mapping[str, Any]:
    """Polls until a training is finished."""
    while training["state"] not in FINAL:
        time.sleep(_POLL_S)
        training = client.call("GET", f"/models/trainings/{training['id']}")
        progress = training["progress"]
        step = progress["step"] or "waiting"
        bars.update(step, progress["documents"] if step == "reading" else progress["texts"], 0)
    return training


def told(training: Mapping[str, Any]) -> str:
    """One training in a sentence."""
    name, state = clean(training["name"]), training["state"]
    if state == "ready":
        count = training["progress"]["documents"]
        return f"{name} is ready: {training['family']}, learned from {count:,} documents of {training['collection']}."
    if state == "failed":
        return f"{name} was not trained: {clean(training['error']['message'])}"
    if state == "cancelled":
        return f"The training of {name} is cancelled."
    return f"{name}: {_how_far(training)} (training {training['id']})"


def table(trainings: Sequence[Mapping[str, Any]]) -> str:
    """Trainings as a table."""
    rows = [("TRAINING", "MODEL", "FAMILY", "COLLECTION", "STATE")]
    rows += [
        (each["id"], clean(each["name"]), each["family"], clean(each["collection"]), _how_far(each))
        for each in trainings
    ]
    return columns(rows, indent="")


def _how_far(training: Mapping[str, Any]) -> str:
    if training["cancelling"]:
        return "being cancelled"
    if training["state"] == "running" and training["progress"]["step"]:
        progress = training["progress"]
        done = f"{progress['documents']:,} documents"
        return f"{progress['step']}, {done}, {progress['seconds']} s"
    if training["error"] and training["state"] in ("failed", "pending"):
        return f"{training['state']}: {clean(training['error']['message'])[:80]}"
    return str(training["state"])
