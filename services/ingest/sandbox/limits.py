"""What a child may use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.settings import Settings

MIB = 1024 * 1024
_SILENCE_TO_CPU = 3  # wall time passes this much faster for a reader that gets a third of a processor


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """The limits of one child.

    Args:
        memory_bytes: address space, the interpreter's own (about 200 MiB) included.
        cpu_s: processor time.
        wall_s: time altogether.
        silence_s: time without a sign of progress.
        silence_cpu_s: processor time without one, of a small document; see ``watching``.
        output_bytes: what it may hand back, and the largest file it could write.
        open_files: file descriptors.
        filter_calls: whether system calls and files that no reader needs are refused, where the machine can do that.
    """

    memory_bytes: int = 1024 * MIB
    cpu_s: int = 60
    wall_s: float = 90.0
    silence_s: float = 15.0
    silence_cpu_s: float = 5.0
    output_bytes: int = 64 * MIB
    open_files: int = 64
    filter_calls: bool = True

    @staticmethod
    def of(settings: Settings) -> SandboxLimits:
        """The limits that the settings ask for."""
        return SandboxLimits(
            memory_bytes=settings.extract_memory_mb * MIB,
            cpu_s=settings.extract_cpu_s,
            wall_s=settings.extract_wall_s,
            silence_s=settings.extract_silence_s,
            silence_cpu_s=settings.extract_silence_s / _SILENCE_TO_CPU,
            output_bytes=settings.extract_output_mb * MIB,
        )
