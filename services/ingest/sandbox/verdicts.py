"""What a child's end means for its document, in words for its owner."""

from __future__ import annotations

import signal

from services.errors import ExtractionFailed
from services.ingest.sandbox.child import NO_MEMORY, NO_ROOM
from services.ingest.sandbox.limits import MIB, SandboxLimits
from services.ingest.sandbox.messages import Verdict

_NEAR = 0.8  # a library that gets no memory often crashes instead of saying so


def failure(verdict: Verdict, limits: SandboxLimits) -> ExtractionFailed | None:
    """The error that a child's end stands for; None when it ended by itself, with whatever result."""
    if verdict.stopped == "asleep":
        return ExtractionFailed(
            "the reader of this file stood still, waiting for something that will never come, and was ended; the file "
            "is damaged, or its reader cannot cope with it. Save it in another program or format and add it again",
            code="extraction-timeout",
        )
    if verdict.stopped == "looping":
        return _timeout(
            f"took {verdict.cpu_s:.0f} seconds of processor time without getting any further",
            "NEARFIELD_EXTRACT_SILENCE_S",
        )
    if verdict.stopped == "silence":
        return _timeout(f"showed no progress for {limits.silence_s:g} seconds", "NEARFIELD_EXTRACT_SILENCE_S")
    if verdict.stopped:
        return _timeout(f"took longer than {limits.wall_s:g} seconds", "NEARFIELD_EXTRACT_WALL_S")
    if verdict.signal == signal.SIGXCPU or (verdict.signal == signal.SIGKILL and verdict.cpu_s >= limits.cpu_s):
        return _timeout(f"took more than {limits.cpu_s} seconds of processor time", "NEARFIELD_EXTRACT_CPU_S")
    crashed_for_memory = verdict.signal and verdict.peak_bytes > _NEAR * limits.memory_bytes
    if verdict.status == NO_MEMORY or crashed_for_memory:
        return ExtractionFailed(
            f"reading this file took more than {limits.memory_bytes // MIB:,} MiB of memory; split it, or raise "
            "NEARFIELD_EXTRACT_MEMORY_MB",
            code="extraction-memory",
        )
    if verdict.status == NO_ROOM or verdict.signal == signal.SIGXFSZ:
        return ExtractionFailed(
            f"what was read out of this file is larger than {limits.output_bytes // MIB:,} MiB; split it, or raise "
            "NEARFIELD_EXTRACT_OUTPUT_MB",
            code="extraction-output-too-large",
        )
    if verdict.signal:
        return ExtractionFailed(
            f"the process that read this file crashed ({_name(verdict.signal)}); the file is damaged, or its reader "
            "cannot cope with it. Save it in another program or format and add it again",
            again=True,
        )
    return None


def no_result(problem: str) -> ExtractionFailed:
    """A child that ended without a result, or with one that makes no sense."""
    return ExtractionFailed(
        f"the process that read this file ended without a usable result ({problem}); the file is damaged, or its "
        "reader cannot cope with it. Save it in another program or format and add it again",
        code="extraction-no-result",
    )


def broken(kind: str, trace: str) -> ExtractionFailed:
    """A reader that ended with an exception of its own."""
    return ExtractionFailed(
        f"the file's reader broke on it ({kind}): the file is damaged, or unlike others of its format. Save it in "
        "another program or format and add it again",
        code="processing-failed",
        trace=trace,
    )


def _timeout(what: str, setting: str) -> ExtractionFailed:
    return ExtractionFailed(
        f"reading this file {what} and was ended; split it, or raise {setting}", code="extraction-timeout"
    )


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
