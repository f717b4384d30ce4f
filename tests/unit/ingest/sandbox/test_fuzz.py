"""2,000 broken files of every format: the host lives, the fork server lives, nothing hangs; `make fuzz`: 20,000."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.fuzz import fuzz
from bench.fuzz_samples import built, real
from services.ingest.extract import registry
from tests.evaldata import evaluation_folder

FILES = 2000


def documents() -> list[object]:
    try:
        return list(real(evaluation_folder("documents")))
    except pytest.skip.Exception:  # the samples made here are enough to go on with
        return []


def test_broken_files_end_with_an_answer(tmp_path: Path) -> None:
    samples = built() + documents()  # type: ignore[operator]
    missing = set(registry.readable_types()) - {sample.media_type for sample in samples}
    assert missing <= {"application/vnd.ms-excel", "application/vnd.ms-outlook"}, "a format without a sample"
    tally = fuzz(tmp_path, samples, files=FILES, seed=7)
    assert tally.files == FILES
    assert (tally.server_deaths, tally.hangs) == (0, 0), tally
    assert tally.outcomes["read"] > FILES // 10, tally.outcomes
    print(f"{tally.ms_per_file:.1f} ms per file; {tally.outcomes}; {tally.crashed}; {tally.slowest_s}")
