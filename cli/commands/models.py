"""``nearfield models``: the embedding models of an instance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cli.options import data_dir_option, json_option, read_settings
from cli.output import clean, columns, note, print_json, progress


@click.group("models")
def command() -> None:
    """List, install, check, measure, choose, train and remove embedding models.

    Installed models lie in the data folder, so all but `train` and `trainings` work whether the instance runs or not;
    a running one sees a new model at once. Every command takes --json.
    """


@command.command("list")
@data_dir_option
@json_option
def list_command(data_dir: Path | None, as_json: bool) -> None:
    """Show the models that collections can be created with, the default one first."""
    from cli.models import facts_json, models_of, table

    models = models_of(read_settings(data_dir=data_dir))
    found = list(models.all())
    by = models.default.by().value
    if as_json:
        print_json([facts_json(facts, by) for facts in found])
        return
    click.echo(table(found))
    for facts in found:
        if facts.problem:
            note(f"{clean(facts.name)}: {clean(facts.problem)}")


@command.command("describe")
@click.argument("name")
@data_dir_option
@json_option
def describe(name: str, data_dir: Path | None, as_json: bool) -> None:
    """Show everything that is known of a model. Exit code 1 if it cannot be used."""
    from cli.models import facts_json, models_of, sheet

    models = models_of(read_settings(data_dir=data_dir))
    facts = models.describe(name)
    by = models.default.by().value
    print_json(facts_json(facts, by)) if as_json else click.echo(sheet(facts, by))
    if facts.problem:
        raise click.exceptions.Exit(1)


@command.command("pull")
@click.argument("source")
@click.option("--as", "as_name", help="What to call it; the folder's or the model's own name if left out.")
@click.option("--replace", is_flag=True, help="Take the place of a model of that name that no collection uses.")
@click.option("--max-words", type=click.IntRange(1), help="Take only so many words from a file of word vectors.")
@data_dir_option
@json_option
def pull(
    source: str, as_name: str | None, replace: bool, max_words: int | None, data_dir: Path | None, as_json: bool
) -> None:
    """Install a model from SOURCE: a folder, a file of word vectors (.vec, .txt, .bin) or a hub name such as org/model.

    It is copied, each file is hashed, and it is tried in a process of its own before it gets its name: a broken model
    is never installed. Code and pickled weights are refused.
    """
    from cli.models import facts_json, sheet, writable

    settings = read_settings(data_dir=data_dir)
    with writable(settings) as models, progress(wanted=not as_json) as bars:
        facts = models.pull(source, as_name, replace=replace, max_words=max_words, progress=bars.update)
        by = models.default.by().value
    if as_json:
        print_json(facts_json(facts, by))
        return
    click.echo(sheet(facts, by))
    click.echo(f"\n{facts.name} is installed. Collections can be created with it now.")


@command.command("verify")
@click.argument("name", required=False)
@data_dir_option
@json_option
def verify(name: str | None, data_dir: Path | None, as_json: bool) -> None:
    """Compare every file of a model, or of all, with what was noted when it was installed. Exit code 1: it differs."""
    from cli.models import models_of, verification_json

    models = models_of(read_settings(data_dir=data_dir))
    found = [models.verify(each) for each in ([name] if name else models.names())]
    if as_json:
        print_json([verification_json(each) for each in found])
    else:
        for each in found:
            compared = (
                f"{each.files} files are as {each.against} says" if each.against != "nothing" else "nothing to check"
            )
            click.echo(f"{clean(each.name)}: {compared if each.ok else 'NOT as it should be'}")
            for difference in each.differences:
                click.echo(f"  {difference.what}: {clean(difference.file)}")
            if each.problem:
                click.echo(f"  {clean(each.problem)}")
    if not all(each.ok for each in found):
        raise click.exceptions.Exit(1)


@command.command("benchmark")
@click.argument("name", required=False)
@click.option("--seconds", type=click.FloatRange(1, 60), default=10.0, show_default=True, help="How long to measure.")
@data_dir_option
@json_option
def benchmark(name: str | None, seconds: float, data_dir: Path | None, as_json: bool) -> None:
    """Measure a model on this machine: texts per second, a query alone, loading, memory. Without NAME: the default."""
    from cli.models import benchmark_json, megabytes, models_of

    models = models_of(read_settings(data_dir=data_dir))
    name = name or models.default.name()
    found = models.benchmark(name, seconds)
    if as_json:
        print_json({"name": name, **benchmark_json(found)})
        return
    rows = [
        ("Texts", f"{found.texts_per_s:,.0f} per second (20 to 80 words, {found.cores} cores)"),
        ("One query", f"{found.query_p50_ms:.2f} ms (median)"),
        ("Loading", f"{found.load_s:.1f} s"),
        ("Memory", megabytes(found.memory_bytes)),
        ("Runs on", f"{found.runtime}, {found.precision}" + (f": {clean(found.why)}" if found.why else "")),
    ]
    click.echo(f"{clean(name)}\n{columns(rows)}")


@command.command("default")
@click.argument("name", required=False)
@data_dir_option
@json_option
def default(name: str | None, data_dir: Path | None, as_json: bool) -> None:
    """Show the model that new collections get when nobody names one, or choose another.

    NEARFIELD_MODEL decides if it is set; then what was chosen here; then the built-in model. Collections that exist
    keep theirs.
    """
    from cli.models import DEFAULT_WORDS, models_of, writable

    settings = read_settings(data_dir=data_dir)
    if name is not None:
        with writable(settings) as changed:
            changed.choose(name)
    models = models_of(settings)
    now, by = models.default.name(), models.default.by().value
    print_json({"name": now, "by": by}) if as_json else click.echo(f"{clean(now)}: the default {DEFAULT_WORDS[by]}")


@command.command("remove")
@click.argument("name")
@data_dir_option
@json_option
def remove(name: str, data_dir: Path | None, as_json: bool) -> None:
    """Remove an installed model. Refused while a collection uses it, or while it is the default."""
    from cli.models import models_of

    models_of(read_settings(data_dir=data_dir)).remove(name)
    print_json({"removed": name}) if as_json else click.echo(f"{clean(name)} is removed.")


@command.command("families")
@json_option
def families(as_json: bool) -> None:
    """Show every kind of embedding there is, and which ones can be trained on a collection."""
    from services.embedding.families import FAMILIES, trainable

    can = trainable()
    if as_json:
        found: list[dict[str, Any]] = [
            {"name": family.name, "what": family.what, "trainable": family.name in can} for family in FAMILIES.values()
        ]
        print_json(found)
        return
    rows = [("FAMILY", "TRAINED HERE", "WHAT")]
    rows += [(family.name, "yes" if family.name in can else "", family.what) for family in FAMILIES.values()]
    click.echo(columns(rows, indent=""))


@command.command("train")
@click.argument("name")
@click.option("-c", "--collection", required=True, help="The collection whose documents it learns from.")
@click.option("--family", required=True, help="What to train; `nearfield models families` shows which can be.")
@click.option("--set", "chosen", multiple=True, metavar="NAME=VALUE", help="A setting of the family, such as dim=128.")
@click.option("--wait", is_flag=True, help="Return when it is done.")
@json_option
def train(name: str, collection: str, family: str, chosen: tuple[str, ...], wait: bool, as_json: bool) -> None:
    """Have the running instance train a model called NAME on a collection, beside its documents.

    With --wait, exit code 1 if it fails. `nearfield models trainings` shows how far it is.
    """
    from cli.client import ApiClient
    from cli.training import setting_of, told, wait_for_training

    body = {"name": name, "collection": collection, "family": family, "settings": dict(map(setting_of, chosen))}
    with ApiClient(read_settings().url) as client, progress(wanted=wait and not as_json) as bars:
        training = client.call("POST", "/models", body=body)
        if wait:
            training = wait_for_training(client, training, bars)
    print_json(training) if as_json else click.echo(told(training))
    if training["state"] in ("failed", "cancelled"):
        raise click.exceptions.Exit(1)


@command.command("trainings")
@click.option("--cancel", metavar="ID", help="End this one.")
@json_option
def trainings(cancel: str | None, as_json: bool) -> None:
    """Show the models that are being trained, and those that were; or end one."""
    from cli.client import ApiClient, segment
    from cli.training import table, told

    with ApiClient(read_settings().url) as client:
        if cancel is not None:
            training = client.call("DELETE", f"/models/trainings/{segment(cancel)}")
            print_json(training) if as_json else click.echo(told(training))
            return
        found = client.call("GET", "/models/trainings")["items"]
    if as_json:
        print_json(found)
    else:
        click.echo(table(found) if found else "Nothing was trained yet.")
