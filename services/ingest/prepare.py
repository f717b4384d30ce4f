"""From what a client gave to what the ledger accepts: everything is checked and hashed before anything is stored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from services.collections.values import Collection, FieldSpec, FieldType
from services.errors import InvalidInput, TooLarge
from services.ids import file_document_id
from services.index.metadata import validate_metadata
from services.ingest.cleaning import (
    check_document_id,
    clean_file_name,
    clean_text,
    relative_name,
    require_encodable,
    strip_invisible,
)
from services.ingest.extract.registry import require_textual
from services.ingest.hashing import full_hash, text_hash
from services.ingest.kinds.sniff import sniff
from services.ingest.rows.row import Row, row_from_object
from services.ingest.rows.strict_json import parse_json_bytes
from services.ingest.rows.tabular import JSON
from services.ingest.values import FileInput, TextInput
from services.ledger.bodies import body_bytes, body_size
from services.ledger.values import DocumentKind, NewDocument

MAX_TITLE_CHARS = 1000
MAX_URL_CHARS = 2000
_MARKUP_FACTOR = 4  # HTML may be this much longer than the text in it
_PLAIN = frozenset({"text/plain", "text/markdown", "text/x-rst", JSON})
"""Formats whose files are as long as their text; of any other the text is known only once it has been read."""
_NUMBER = re.compile(r"[+-]?\d{1,300}(?:\.\d{0,300})?(?:[eE][+-]?\d{1,3})?")
_BOOLEANS = {"true": True, "yes": True, "1": True, "t": True, "false": False, "no": False, "0": False, "f": False}
_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*):")
_SCHEMES = frozenset({"http", "https", "ftp", "ftps", "file", "mailto", "doi", "urn", "isbn", "s3", "gs", "git", "ssh"})


def prepare_text(
    collection: Collection, given: TextInput, document_id: str, *, max_bytes: int, pointer: str = "", parent: str = ""
) -> NewDocument:
    """One document given as text.

    Args:
        document_id: the given id or the one made for it; already checked when made by us.
        max_bytes: the largest text.
        pointer: where the document stands in the request; errors point below it.
        parent: hash of the source it comes from, "" for none.

    Raises:
        InvalidInput: what is wrong with it.
    """
    check_document_id(document_id, pointer=f"{pointer}/id")
    require_textual(given.media_type, pointer=f"{pointer}/media_type")
    for what, value in (("text", given.text), ("title", given.title), ("url", given.url)):
        require_encodable(value, what=f"the {what}", pointer=f"{pointer}/{what}")
    title, url = check_title(given.title, pointer), check_url(given.url, pointer)
    body = given.text.encode("utf-8")
    if len(body) > max_bytes:
        raise TooLarge(
            f"the text is {len(body):,} bytes long, the limit is {max_bytes:,} (NEARFIELD_MAX_DOCUMENT_BYTES); "
            "split the document or raise the limit",
            code="text-too-large",
            pointer=f"{pointer}/text",
        )
    if not strip_invisible(title + clean_text(given.text)).strip():
        raise InvalidInput(
            "the document has neither text nor title; give it one of them", code="no-text", pointer=f"{pointer}/text"
        )
    validate_metadata(given.metadata, collection, f"{pointer}/metadata")
    kind = DocumentKind.TEXT
    covers = text_hash(kind, given.media_type, title, body)
    return NewDocument(
        id=document_id,
        kind=kind,
        body=body,
        media_type=given.media_type,
        title=title,
        url=url,
        metadata=dict(given.metadata),
        text_hash=covers,
        full_hash=full_hash(covers, url, "", given.metadata),
        parent=parent,
    )


def prepare_file(
    collection: Collection, given: FileInput, *, max_bytes: int, max_file_bytes: int, pointer: str = ""
) -> NewDocument:
    """One file: what it is is seen from its content; a source of many documents stays whole and is expanded later.

    Args:
        max_bytes: the largest text.
        max_file_bytes: the largest file of one document in a format that is longer than its text.
        pointer: where the file stands in the request.

    Raises:
        InvalidInput: what is wrong with it; the message begins with its name.
    """
    name = clean_file_name(given.name)
    try:
        return _file(collection, given, name, (max_bytes, max_file_bytes), pointer)
    except InvalidInput as error:
        raise type(error)(f"{name[-120:]}: {error.message}", code=error.code, pointer=error.pointer) from None


def _file(
    collection: Collection, given: FileInput, name: str, limits_bytes: tuple[int, int], pointer: str
) -> NewDocument:
    media_type, is_source = sniff(given.body, name, given.media_type, media=True)
    kind = DocumentKind.SOURCE if is_source else DocumentKind.FILE
    if kind is DocumentKind.FILE:
        _require_size(body_size(given.body), media_type, limits_bytes, pointer)
    row = Row(None, "", "", "", {})
    if media_type == JSON and not is_source:
        row = row_from_object(parse_json_bytes(body_bytes(given.body)))
    document_id = given.id or row.id or file_document_id(_portable(relative_name(given.name)))
    check_document_id(document_id, pointer=f"{pointer}/id")
    title, url = check_title(row.title, pointer), check_url(given.url or row.url, pointer)
    metadata = {**row.metadata, **given.metadata}
    validate_metadata(metadata, collection, f"{pointer}/metadata")
    covers = text_hash(kind, media_type, title, given.body)
    return NewDocument(
        id=document_id,
        kind=kind,
        body=given.body,
        media_type=media_type,
        title=title,
        url=url,
        source=name,
        metadata=metadata,
        text_hash=covers,
        full_hash=full_hash(covers, url, name, metadata),
    )


def _require_size(size: int, media_type: str, limits_bytes: tuple[int, int], pointer: str) -> None:
    """Refuses a file of one document that is too long for its format."""
    max_bytes, max_file_bytes = limits_bytes
    if media_type in _PLAIN:
        limit, setting = max_bytes, "NEARFIELD_MAX_DOCUMENT_BYTES"
    elif media_type == "text/html":
        limit, setting = max_bytes * _MARKUP_FACTOR, f"{_MARKUP_FACTOR} times NEARFIELD_MAX_DOCUMENT_BYTES for HTML"
    else:
        limit, setting = max_file_bytes, "NEARFIELD_MAX_FILE_BYTES"
    if size > limit:
        raise TooLarge(
            f"the file is {size:,} bytes long, a document of this kind may have {limit:,} ({setting}); "
            "split it or raise the limit",
            code="text-too-large",
            pointer=pointer,
        )


def check_title(title: str, pointer: str) -> str:
    """The title on one line.

    Raises:
        InvalidInput: half a surrogate pair. TooLarge: more than 1,000 characters.
    """
    require_encodable(title, what="the title", pointer=f"{pointer}/title")
    title = " ".join(clean_text(title).split())
    if len(title) > MAX_TITLE_CHARS:
        raise TooLarge(
            f"the title has {len(title):,} characters, at most {MAX_TITLE_CHARS:,} are taken; move the rest into text",
            code="title-too-long",
            pointer=f"{pointer}/title",
        )
    return title


def check_url(url: str, pointer: str) -> str:
    """The link, without blanks around it. What a browser would run instead of open is refused.

    Raises:
        InvalidInput: too long, control characters, or a scheme that is not known (code ``bad-url``).
    """
    url = url.strip()
    scheme = _SCHEME.match(url)
    problem = ""
    if len(url) > MAX_URL_CHARS:
        problem = f"it has {len(url):,} characters; at most {MAX_URL_CHARS:,} are taken"
    elif not url.isprintable():
        problem = "it holds characters that cannot be seen"
    elif scheme and scheme.group(1).lower() not in _SCHEMES:
        problem = f"its scheme is none of {', '.join(sorted(_SCHEMES))}"
    if problem:
        raise InvalidInput(
            f"the link {url[:80]!r} cannot be taken: {problem}", code="bad-url", pointer=f"{pointer}/url"
        )
    return url


def coerce_cells(metadata: Mapping[str, Any], collection: Collection) -> dict[str, Any]:
    """The cells of a table, which are all texts, as the types that the collection declares; what does not fit stays."""
    return {name: _coerced(value, collection.field(name)) for name, value in metadata.items()}


def _coerced(value: Any, field: FieldSpec | None) -> Any:
    if field is None or not isinstance(value, str):
        return value
    text = value.strip()
    if field.type is FieldType.BOOLEAN:
        return _BOOLEANS.get(text.casefold(), value)
    if field.type is FieldType.NUMBER and _NUMBER.fullmatch(text):
        return float(text) if set(text) & set(".eE") else int(text)
    return text


def _portable(name: str) -> str:
    """A name that UTF-8 can carry, whatever bytes a file system had in it."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
