"""Rules for characters: what is stripped from texts, and what ids and file names may not contain."""

from __future__ import annotations

import re
import unicodedata

from services.errors import InvalidInput

MAX_ID_BYTES = 512
MAX_NAME_BYTES = 1024
MAX_SEGMENT_BYTES = 200

_NEWLINES = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_INVISIBLE = re.compile(
    "[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_VARIATION_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def clean_text(text: str) -> str:
    """``text`` with newlines as ``\\n`` and without NUL, other control characters and byte order marks."""
    return _CONTROLS.sub("", _NEWLINES.sub("\n", text))


def strip_invisible(text: str) -> str:
    """``text`` as the model should see it: no zero-width, bidirectional or tag characters. For embedding only."""
    return _INVISIBLE.sub("", text)


def require_encodable(text: str, *, what: str, pointer: str | None) -> None:
    """Refuses lone surrogates, which no UTF-8 can carry.

    Raises:
        InvalidInput: code ``lone-surrogate``.
    """
    found = _SURROGATE.search(text)
    if found:
        raise InvalidInput(
            f"{what} holds half of a surrogate pair (U+{ord(found.group()):04X} at character {found.start()}), "
            "which is no character; send well-formed Unicode",
            pointer=pointer,
            code="lone-surrogate",
        )


def check_document_id(document_id: str, *, pointer: str | None = None) -> None:
    """Ids are compared byte by byte, so they must hold nothing that cannot be seen.

    Raises:
        InvalidInput: code ``bad-document-id``.
    """
    problem = _id_problem(document_id)
    if problem:
        raise InvalidInput(
            f"document id {document_id[:60]!r} {problem}; an id has 1 to {MAX_ID_BYTES} bytes of UTF-8 without "
            "control, direction or zero-width characters",
            pointer=pointer,
            code="bad-document-id",
        )


def _id_problem(document_id: str) -> str:
    if not document_id.strip():
        return "is blank"
    for character in document_id:
        if unicodedata.category(character) in _FORBIDDEN_CATEGORIES or _VARIATION_SELECTORS.match(character):
            return f"contains U+{ord(character):04X}, which cannot be seen"
    size = len(document_id.encode("utf-8"))
    return f"is {size} bytes long" if size > MAX_ID_BYTES else ""


def relative_name(name: str) -> str:
    """A file's path relative to where it was added from: forward slashes, no drive, no empty, ``.`` or ``..`` steps.

    Two spellings of one path give one name; nothing else is changed, so the stable id of a file may be made from it.
    """
    path = re.sub(r"^[A-Za-z]:(?=[\\/])", "", name).replace("\\", "/")
    return "/".join(step for step in path.split("/") if step not in ("", ".", ".."))


def clean_file_name(name: str) -> str:
    """``relative_name`` made fit for showing: without invisible characters, bounded in length, never empty.

    It is never used as a path: bodies are stored under ids of our own.
    """
    shown = _SURROGATE.sub("\ufffd", relative_name(name))
    shown = "".join(c for c in shown if unicodedata.category(c) not in _FORBIDDEN_CATEGORIES)
    steps = [_shorten(step, MAX_SEGMENT_BYTES) for step in shown.split("/") if step]
    while len(steps) > 1 and sum(len(step.encode()) + 1 for step in steps) > MAX_NAME_BYTES:
        steps.pop(0)
    return "/".join(steps) or "unnamed"


def _shorten(step: str, limit: int) -> str:
    """Cuts the stem, keeps a short extension."""
    if len(step.encode()) <= limit:
        return step
    stem, dot, extension = step.rpartition(".")
    if not dot or len(extension.encode()) > 16:
        stem, dot, extension = step, "", ""
    kept = stem.encode()[: limit - len((dot + extension).encode())].decode("utf-8", "ignore")
    return kept + dot + extension
