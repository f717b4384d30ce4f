"""What the processor can do, as a value: runtimes are chosen by it, and tests give another one."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass
from pathlib import Path

_BF16 = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
_CPUINFO = Path("/proc/cpuinfo")
_NVIDIA = (Path("/dev/nvidiactl"), Path("/dev/nvidia0"), Path("/dev/dxg"))


@dataclass(frozen=True, slots=True)
class Machine:
    """A processor.

    Attributes:
        processor: as its maker calls it.
        features: names of instruction sets as Linux writes them.
    """

    processor: str
    features: frozenset[str]

    @property
    def bf16(self) -> bool:
        """Whether it multiplies bfloat16 numbers in hardware; in software they are slower than float32."""
        return bool(self.features & _BF16)

    @property
    def mark(self) -> str:
        """16 hex characters: what was measured on one machine is not taken for another."""
        content = "\n".join([self.processor, platform.machine(), *sorted(self.features)])
        return hashlib.sha256(content.encode()).hexdigest()[:16]


def this_machine() -> Machine:
    """The first core of this machine; without features where the system tells none."""
    try:
        text = _CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return Machine(platform.processor() or "unknown", frozenset())
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip().lower(), value.strip())
    features = frozenset((fields.get("flags") or fields.get("features") or "").split())
    return Machine(fields.get("model name") or platform.machine() or "unknown", features)


def may_have_cuda() -> bool:
    """Whether it is worth asking torch for a GPU: importing torch takes seconds and 400 MB."""
    return any(path.exists() for path in _NVIDIA)
