"""``nearfield eval``: search quality on judged data, through the whole product."""

from __future__ import annotations

import re
from pathlib import Path

import click

from cli.options import json_option, read_settings
from cli.output import columns, print_json, progress

PATIENCE_S = 120.0


@click.command("eval")
@click.option(
    "--data",
    "folder",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with corpus.jsonl, queries.jsonl and qrels/test.tsv; with --intrinsic one of checks.",
)
@click.option("--split", default="test", show_default=True, help="Which judgements: qrels/SPLIT.tsv.")
@click.option("-c", "--collection", help="Collection to use and keep; default eval-FOLDER.")
@click.option("--collection-per-run", is_flag=True, help="Use a new collection and delete it afterwards.")
@click.option("--mode", type=click.Choice(["semantic"]), default="semantic", show_default=True, help="How to search.")
@click.option(
    "--chunking",
    type=click.Choice(["default", "none"]),
    default="default",
    show_default=True,
    help="How documents are cut; none: one chunk each, cut at the model's limit.",
)
@click.option("--k", type=click.IntRange(1, 100), default=10, show_default=True, help="Rank for nDCG and MRR.")
@click.option("--limit-docs", type=click.IntRange(min=1), help="Take only so many documents, judged ones first.")
@click.option(
    "--intrinsic",
    "model",
    metavar="MODEL",
    help="Instead check this model by itself (word and sentence similarity, analogies, clusters), offline.",
)
@json_option
def command(
    folder: Path,
    split: str,
    collection: str | None,
    collection_per_run: bool,
    mode: str,
    chunking: str,
    k: int,
    limit_docs: int | None,
    model: str | None,
    as_json: bool,
) -> None:
    """Measure search quality on a folder in BEIR layout.

    Sends every document through the running instance, waits until all are searchable, asks every judged query for 100
    documents, and prints nDCG, recall@100, MRR and the latency of the searches as this client saw it.

    With --intrinsic no instance is needed: the model is loaded here, and every file of the folder that holds pairs of
    words or sentences with scores, analogies or labelled texts gives its figures.
    """
    if model is not None:
        from cli.intrinsic import print_intrinsic

        print_intrinsic(model, folder, as_json=as_json)
        return
    from cli.client import ApiClient
    from cli.evaluation_target import HttpTarget
    from services.evaluation.beir import read_beir
    from services.evaluation.run import Plan, evaluate

    if collection and collection_per_run:
        raise click.UsageError("--collection and --collection-per-run exclude each other")
    settings = read_settings()
    data = read_beir(folder, split=split, limit_documents=limit_docs)
    name = collection or collection_name(folder, chunking, per_run=collection_per_run)
    plan = Plan(collection=name, throw_away=collection_per_run, chunking=chunking, mode=mode, k=k)
    with ApiClient(settings.url, patience_s=PATIENCE_S) as client, progress(wanted=not as_json) as bars:
        figures = evaluate(HttpTarget(client, bars), data, plan, bars.update)
    if as_json:
        print_json({"data": folder.resolve().name, **figures})
    else:
        click.echo(
            columns(
                [(name, f"{value:g}" if isinstance(value, float) else str(value)) for name, value in figures.items()]
            )
        )


def collection_name(folder: Path, chunking: str, *, per_run: bool) -> str:
    """A collection's name made from the folder's; one of its own for each run if wanted."""
    from services.ids import new_token

    base = re.sub(r"[^a-z0-9._-]+", "-", folder.resolve().name.lower()).strip("-") or "set"
    kept = f"eval-{base[:30]}" + ("-whole" if chunking == "none" else "")
    return f"{kept}-{new_token()[:8]}" if per_run else kept
