"""Child logs: appended to for ever, so cut back before they fill the disk."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

LOG_LIMIT_BYTES = 16 * 1024 * 1024


def rotate(log: Path, limit_bytes: int = LOG_LIMIT_BYTES) -> bool:
    """Moves the content of a log that is over its limit to ``<log>.1`` and empties it in place; True if it did.

    In place, because the child holds the file open: it appends (O_APPEND), so its next line lands at the new end.
    Lines written during the copy can be lost; a log that fills the disk would cost more.
    """
    with contextlib.suppress(OSError):
        if log.stat().st_size > limit_bytes:
            shutil.copyfile(log, log.with_name(log.name + ".1"))
            os.truncate(log, 0)
            return True
    return False
