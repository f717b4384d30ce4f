"""The table of docs/models.md as text, and its place in the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from services.embedding.families import Family

BEGIN, END = "<!-- models:begin -->", "<!-- models:end -->"
_HEAD = (
    "| model | dim | bytes per vector | SciFact nDCG@10 | STS-B Spearman | texts/s | one query, p50 ms | size MB "
    "| memory MB | trained in s |"
)


def table(rows: Sequence[Mapping[str, Any]], unmeasured: Sequence[Family]) -> str:
    """The table, best first, and below it the families without a figure."""
    lines = [_HEAD, "|---|" + "--:|" * 9]
    for row in sorted(rows, key=lambda row: -row["ndcg"]):
        kept = f" (recall@10 of the floats' {row['recall10']:.3f})" if row.get("recall10") is not None else ""
        sts = "" if row["sts"] is None else f"{row['sts']:.1f}"
        train = f"{row['train_s']:.0f}" if row.get("train_s") is not None else ""
        lines.append(
            f"| {row['label']}{kept} | {row['dim']} | {row['bytes']:,} | {row['ndcg']:.3f} | {sts} "
            f"| {row['texts_per_s']:,} | {row['query_ms']:.2f} | {row['size_mb']:.1f} | {row['peak_mb']:,} | {train} |"
        )
    if unmeasured:
        lines += ["", "Not measured, for want of published weights or of texts to measure by:", ""]
        lines += [f"- `{family.name}`: {family.what}. {_needed(family)}" for family in unmeasured]
    return "\n".join(lines)


def with_table(page: str, text: str) -> str:
    """The page with the table between its markers; what stands around it stays.

    Raises:
        ValueError: the markers are missing.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def write_page(path: Path, rows: Sequence[Mapping[str, Any]], unmeasured: Sequence[Family]) -> None:
    """Writes the table into the page."""
    path.write_text(with_table(path.read_text(encoding="utf-8"), table(rows, unmeasured)), encoding="utf-8")


def _needed(family: Family) -> str:
    match family.name:
        case "provider":
            return "Needs an account there, or a server of one's own."
        case "mfcc":
            return "For sounds alone."
        case _:
            return "Needs a folder with its weights; tried with a tiny random model, which has no quality to measure."
