"""One model of transformers is built at a time, in the whole process."""

from __future__ import annotations

import threading

BUILDING = threading.Lock()
"""While transformers builds a model it changes torch's default type of number and its initialisers for the process, so
that of two at once one could come out in the other's precision; and what a runtime is chosen by is measured meanwhile.
"""
