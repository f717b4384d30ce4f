"""What cutting very large documents costs: ``python -m bench.chunking`` prints a JSON line for each.

Each runs in a process of its own, with the hash model's token counter; ``mb`` is its peak memory above what it held
before (the text itself is there then, the chunks are not).
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

from services.collections.values import Chunking
from services.embedding.words import WordCounter
from services.ingest.chunks.chunking import Chunker
from services.ingest.extract.builder import TextBuilder
from services.ingest.values import BlockKind, Extracted


def no_blank() -> Extracted:
    """3 MB without a blank."""
    return Extracted("abcdefghij" * 300_000)


def unspaced_script() -> Extracted:
    """3 million signs of a script without blanks."""
    return Extracted("日本語の文章が続く。" * 300_000)


def headings() -> Extracted:
    """100,000 sections of one line."""
    builder = TextBuilder()
    for number in range(100_000):
        builder.add_heading(f"Heading {number}", 1 + number % 4)
        builder.add("Some words of text follow here.")
    return Extracted(builder.text(), headings=tuple(builder.headings))


def items() -> Extracted:
    """A list of a million items, each marked."""
    builder = TextBuilder()
    for number in range(1_000_000):
        builder.add(f"- item {number} of many", gap="\n", kind=BlockKind.LIST_ITEM)
    return Extracted(builder.text(), blocks=tuple(builder.blocks))


def table() -> Extracted:
    """One table of 200,000 rows."""
    rows = "\n".join(f"{number} | name {number} | {number % 7} | yes" for number in range(200_000))
    builder = TextBuilder()
    builder.add(f"number | name | rest | kept\n{rows}", kind=BlockKind.TABLE)
    return Extracted(builder.text(), blocks=tuple(builder.blocks))


CASES = {case.__name__: case for case in (no_blank, unspaced_script, headings, items, table)}


def measure(name: str) -> dict[str, object]:
    """Cuts one document and says what it took."""
    extracted = CASES[name]()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    pieces = Chunker(WordCounter(), special_tokens=0, max_tokens=512, chunking=Chunking()).cut(extracted, "Title")
    took = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "case": name,
        "characters": len(extracted.text),
        "chunks": len(pieces),
        "seconds": round(took, 1),
        "mb": (after - before) // 1024,
    }


def main() -> None:
    """Measures the cases named, or all of them."""
    for name in sys.argv[1:] or CASES:
        if len(sys.argv) == 2:
            print(json.dumps(measure(name)))
        else:
            subprocess.run([sys.executable, "-m", "bench.chunking", name], check=True)


if __name__ == "__main__":
    main()
