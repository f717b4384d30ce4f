"""Broken files of every format through the sandbox: nothing may die but children, and nothing may hang.

``python -m bench.fuzz`` mutates samples by a seed and prints one JSON object: how the files ended, deaths of the host
and of the fork server, hangs beyond the limits, and the milliseconds per child. ``--only N`` reads file N of a seed
again and shows what became of it.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from bench.fuzz_samples import Sample, built, mutated, real
from services.errors import NearfieldError
from services.ingest.kinds.sniff import sniff
from services.ingest.sandbox.limits import MIB, SandboxLimits
from services.ingest.sandbox.sandbox import Sandbox

LIMITS = SandboxLimits(memory_bytes=1024 * MIB, cpu_s=10, wall_s=20.0, silence_s=10.0)
HANG_S = LIMITS.wall_s + 15.0
_TEXT_BYTES = 8 * MIB


@dataclass
class Tally:
    """What became of the files. ``slowest_s`` is by media type; ``crashed`` names the files to look at again."""

    outcomes: Counter[str] = field(default_factory=Counter)
    server_deaths: int = 0
    hangs: int = 0
    crashed: list[str] = field(default_factory=list)
    slowest_s: dict[str, float] = field(default_factory=dict)
    files: int = 0
    took_s: float = 0.0

    @property
    def ms_per_file(self) -> float:
        """Milliseconds from a file in memory to its outcome."""
        return self.took_s / max(self.files, 1) * 1000


def main() -> None:
    """Prints the figures; ends with 1 when something died or hung."""
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz", description=__doc__)
    parser.add_argument("--files", type=int, default=20_000, help="how many mutated files")
    parser.add_argument("--seed", type=int, default=1, help="of the mutations")
    parser.add_argument("--documents", type=Path, help="a folder of further samples")
    parser.add_argument("--only", type=int, help="read this file of the seed alone, and keep it")
    options = parser.parse_args()
    samples = built() + (real(options.documents) if options.documents else [])
    with tempfile.TemporaryDirectory(prefix="nearfield-fuzz-") as folder:
        if options.only is not None:
            show(Path(folder), samples, options.seed, options.only)
            return
        tally = fuzz(Path(folder), samples, files=options.files, seed=options.seed)
    print(json.dumps(figures(tally, options.seed, len(samples))))
    sys.exit(1 if tally.server_deaths or tally.hangs else 0)


def fuzz(folder: Path, samples: list[Sample], *, files: int, seed: int) -> Tally:
    """Mutates and reads ``files`` files.

    Args:
        folder: for the sandbox.
        samples: what is mutated, each as often as any other.
        files: how many.
        seed: file ``n`` of a seed is always the same.
    """
    tally = Tally()
    sandbox = Sandbox(folder, LIMITS)
    server = 0
    try:
        for number in range(files):
            sample, body = case(samples, seed, number)
            began = time.monotonic()
            outcome = read(sandbox, sample, body)
            took_s = time.monotonic() - began
            tally.files, tally.took_s = tally.files + 1, tally.took_s + took_s
            tally.outcomes[outcome] += 1
            tally.hangs += took_s > HANG_S
            tally.slowest_s[sample.media_type] = max(tally.slowest_s.get(sample.media_type, 0.0), took_s)
            if outcome.startswith(("extraction-", "processing-failed")):
                tally.crashed.append(f"{number} {sample.name}: {outcome}")
            pid = sandbox.server_pid
            tally.server_deaths += bool(server) and pid != server
            server = pid
    finally:
        sandbox.close()
    return tally


def case(samples: list[Sample], seed: int, number: int) -> tuple[Sample, bytes]:
    """File ``number`` of a seed."""
    chance = random.Random(f"{seed}/{number}")
    sample = samples[number % len(samples)]
    return sample, mutated(sample, samples, chance)


def read(sandbox: Sandbox, sample: Sample, body: bytes) -> str:
    """How a file ends: "read", or the code of its error. Every tenth is first looked at as web does."""
    try:
        media_type, is_source = sample.media_type, sample.is_source
        if len(body) % 10 == 0:
            media_type, is_source = sniff(body, sample.name)
        if is_source:
            sandbox.rows(media_type, body, name=sample.name, after=0, tick=_nothing)
        else:
            sandbox.extract(media_type, body, name=sample.name, max_text_bytes=_TEXT_BYTES, tick=_nothing)
    except NearfieldError as error:
        return error.code
    return "read"


def figures(tally: Tally, seed: int, samples: int) -> dict[str, object]:
    """What is printed."""
    return {
        "bench": "fuzz",
        "seed": seed,
        "samples": samples,
        "files": tally.files,
        "host_deaths": 0,  # this process is the host; it prints
        "server_deaths": tally.server_deaths,
        "hangs": tally.hangs,
        "ms_per_file": round(tally.ms_per_file, 2),
        "outcomes": dict(tally.outcomes.most_common()),
        "slowest_s": {kind: round(took_s, 2) for kind, took_s in sorted(tally.slowest_s.items())},
        "to_look_at": tally.crashed[:20],
    }


def show(folder: Path, samples: list[Sample], seed: int, number: int) -> None:
    """Reads one file, says what became of it and where it is kept."""
    sample, body = case(samples, seed, number)
    kept = Path(tempfile.gettempdir()) / f"nearfield-fuzz-{seed}-{number}"
    kept.write_bytes(body)
    sandbox = Sandbox(folder, LIMITS)
    try:
        found = (
            sandbox.extract(sample.media_type, body, name=sample.name, max_text_bytes=_TEXT_BYTES, tick=_nothing)
            if not sample.is_source
            else sandbox.rows(sample.media_type, body, name=sample.name, after=0, tick=_nothing)
        )
        print(f"{kept} ({sample.name}): {str(found)[:2000]}")
    except NearfieldError as error:
        print(f"{kept} ({sample.name}): {error.code}: {error.message} {getattr(error, 'trace', '')}")
    finally:
        sandbox.close()


def _nothing() -> None:
    """A tick that nobody waits for."""


if __name__ == "__main__":
    main()
