"""Further readers, named in a setting: a media type each, and the function that reads it.

The media types are known without importing anything, so web can accept what only a child of the sandbox ever reads.
"""

from __future__ import annotations

import re

from services.errors import SettingsError

_ENTRY = re.compile(
    r"(?P<type>[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*)=(?P<place>[A-Za-z_][\w.]*:[A-Za-z_]\w*)"
)


def parse_plugins(text: str) -> dict[str, str]:
    """``text/x-log=our_readers.logs:extract_log, ...`` as "module:function" by media type.

    Raises:
        SettingsError: an entry of another shape.
    """
    found: dict[str, str] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise SettingsError(
                f"NEARFIELD_EXTRACTORS: {entry[:120]!r} is not media/type=module:function, "
                "such as text/x-log=our_readers.logs:extract_log"
            )
        found[match["type"]] = match["place"]
    return found
