"""``nearfield search``: ask a collection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from cli.options import json_option, only_collection, read_settings
from cli.output import clean, note, print_json, wrapped

PATIENCE_S = 30.0


@click.command("search")
@click.argument("query")
@click.option("-c", "--collection", help="Which collection; not needed when there is only one.")
@click.option(
    "-n", "--limit", type=click.IntRange(1, 100), default=10, show_default=True, help="How many documents at most."
)
@click.option(
    "--filter", "filter_text", metavar="JSON", help="A filter over the collection's fields, as the API takes it."
)
@click.option("--rerank", default="", metavar="NAME", help="Reranker that reads the best 50 hits once more.")
@json_option
def command(
    query: str, collection: str | None, limit: int, filter_text: str | None, rerank: str, as_json: bool
) -> None:
    """Search a collection by meaning.

    Prints the best passage of each document, best first. Exit code 0 also when nothing was found; --json prints the
    API's answer.
    """
    from cli.client import ApiClient

    wanted = _filter(filter_text)
    settings = read_settings()
    with ApiClient(settings.url, patience_s=PATIENCE_S) as client:
        name = collection or only_collection(client)
        answer = client.search(name, query, limit=limit, filter_=wanted, rerank=rerank)
    if as_json:
        print_json(answer)
        return
    for rank, hit in enumerate(answer["hits"], start=1):
        click.echo(_hit(rank, hit))
    _remarks(answer)


def _filter(text: str | None) -> object:
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"not JSON: {error}", param_hint="--filter") from None


def _hit(rank: int, hit: Mapping[str, Any]) -> str:
    title = clean(hit["title"] or hit["source"] or hit["id"])
    passage = hit["passage"]
    facts = [f"score {hit['score']:.3f}"]
    if "rerank_score" in hit:
        facts.append(f"reranked {hit['rerank_score']:.3f}")
    if hit["source"] and hit["source"] != title:
        facts.append(clean(hit["source"]))
    if passage["heading"]:
        facts.append(clean(passage["heading"]))
    if passage["page"] is not None:
        facts.append(f"page {passage['page']}")
    facts += [f"{clean(str(name))} {clean(str(value))}" for name, value in (hit["metadata"] or {}).items()]
    lines = [
        f"{rank:>2}  {click.style(title, bold=True)}",
        wrapped(passage["text"], indent="    ", lines=3),
        click.style("    " + " · ".join(facts), dim=True),
    ]
    return "\n".join(lines) + "\n"


def _remarks(answer: Mapping[str, Any]) -> None:
    if not answer["hits"]:
        found = "nothing found" if answer["searchable"] else "nothing found: no document is searchable yet"
        note(f"{found} in {answer['collection']!r}")
    if answer["query_truncated"]:
        note("the query was cut at the model's limit; only its beginning was searched")
    if not answer["complete"]:
        note("the index is being rebuilt; documents are still missing from this answer")
    note(f"{len(answer['hits'])} of {answer['searchable']} documents, {answer['took_ms']:.0f} ms")
