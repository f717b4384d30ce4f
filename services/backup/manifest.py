"""What stands in a backup: its members, their names, the header that comes first and the manifest that comes last.

backup.json              format, versions, moment, instance, counts: enough to refuse a file that is not ours
accepted/<xx>/<name>.nfe the envelopes that documents pointed into at the moment
collections/<id>.json    descriptions of the collections
marks.ndjson             documents that had failed or were cancelled
ledger-keys.ndjson       what else the ledger knows that no envelope says: sources
models/...               installed and trained models with their records (see ``model_names``), since format 2
manifest.json            name, length and SHA-256 of all of these; the file is whole only if it is there and right
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from dataclasses import fields as dataclass_fields
from typing import Any

from services.backup.model_names import is_model_member, is_model_name
from services.errors import InvalidInput

FORMAT = 2
HEADER, MANIFEST = "backup.json", "manifest.json"
MARKS, LEDGER_KEYS = "marks.ndjson", "ledger-keys.ndjson"
_MEMBER = re.compile(
    r"accepted/(?P<shard>[0-9a-f]{2})/\d{16}-[0-9a-f]{14}(?P=shard)\.nfe|collections/[a-z0-9]{4,40}\.json"
    r"|marks\.ndjson|ledger-keys\.ndjson|backup\.json|manifest\.json"
)

_NAME = re.compile(r"[0-9]{16}-[0-9a-f]{16}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_INSTANCE = re.compile(r"(?:[0-9a-zA-Z]{1,64}(?::[0-9]{1,9})?)?")
_SINCE_2 = frozenset({"models", "without_models", "models_damaged", "models_left_out"})
_COUNTS = ("data_version", "moment_us", "jobs", "collections", "envelopes", "documents", "size")
MOST_PRODUCT_CHARS = 200
LAST_MOMENT_US = 253_402_300_799_000_000  # the end of the year 9999: what a date can say


@dataclass(frozen=True, slots=True)
class Header:
    """The first member. ``moment_us`` is Redis TIME of the ledger; ``size`` the length of all members but first and
    last.

    ``missing`` and ``damaged`` name envelopes that could not be taken along as they should be. ``models`` is how many
    are in it; ``models_damaged`` are in it although they are not what their records say, ``models_left_out`` hold what
    a backup does not take. ``without_models``: none were asked for, or none could be (format 1).
    """

    format: int
    product: str
    data_version: int
    moment_us: int
    instance: str
    jobs: int
    collections: int
    envelopes: int
    documents: int
    size: int
    missing: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    models: int = 0
    without_models: bool = True
    models_damaged: tuple[str, ...] = ()
    models_left_out: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """As JSON, with the members of its format."""
        fields = {name: value for name, value in asdict(self).items() if name in _members_of(self.format)}
        return (json.dumps({"nearfield-backup": fields}, indent=1) + "\n").encode("utf-8")


@dataclass(frozen=True, slots=True)
class Member:
    """What the manifest says of a member."""

    size: int
    sha256: str


def _members_of(version: int) -> set[str]:
    return {field.name for field in dataclass_fields(Header)} - (_SINCE_2 if version < 2 else frozenset())


def decode_header(data: bytes) -> Header:
    """The header of a backup.

    Raises:
        InvalidInput: code "not-a-backup", or "newer-backup" when a later version wrote it.
    """
    try:
        fields = _object(_object(read_json(data)).get("nearfield-backup"))
        version = whole_number(fields.get("format"), 1)
        if version > FORMAT:
            raise InvalidInput(
                f"this backup has format {version}, this version reads up to {FORMAT}: restore it with the "
                f"version that wrote it ({str(fields.get('product'))[:40]!r}) or a later one",
                code="newer-backup",
            )
        return _header(fields)
    except ValueError as error:
        raise not_a_backup("its header cannot be read") from error


def _header(fields: dict[str, Any]) -> Header:
    """Raises ValueError for every member that is missing, too many, or not what ``write_backup`` writes."""
    if fields.keys() != _members_of(fields["format"]):
        raise ValueError("members are missing or too many")
    counts: dict[str, Any] = {name: whole_number(fields[name], 0) for name in _COUNTS}
    product, instance = fields["product"], fields["instance"]
    if not isinstance(product, str) or len(product) > MOST_PRODUCT_CHARS:
        raise ValueError("product")
    if not isinstance(instance, str) or not _INSTANCE.fullmatch(instance) or counts["moment_us"] > LAST_MOMENT_US:
        raise ValueError("instance or moment")
    missing, damaged = _names(fields["missing"]), _names(fields["damaged"])
    return Header(
        format=fields["format"],
        product=product,
        instance=instance,
        missing=missing,
        damaged=damaged,
        **counts,
        **(_about_models(fields) if fields["format"] > 1 else {}),
    )


def _about_models(fields: dict[str, Any]) -> dict[str, Any]:
    without, models = fields["without_models"], whole_number(fields["models"], 0)
    if type(without) is not bool or (without and models):
        raise ValueError("models")
    lists = {name: fields[name] for name in ("models_damaged", "models_left_out")}
    if not all(isinstance(value, list) and all(map(is_model_name, value)) for value in lists.values()):
        raise ValueError("names of models")
    return {"models": models, "without_models": without, **{name: tuple(value) for name, value in lists.items()}}


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) and _NAME.fullmatch(name) for name in value):
        raise ValueError("names of envelopes")
    return tuple(value)


def read_json(data: bytes) -> Any:
    """JSON as this product writes it.

    Raises:
        ValueError: it is none: NaN, numbers or nesting beyond what Python reads and broken text included.
    """
    try:
        return json.loads(data.decode("utf-8"), parse_constant=_no_constant)
    except (RecursionError, OverflowError) as error:
        raise ValueError(type(error).__name__) from error


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("no object")
    return value


def whole_number(value: object, least: int) -> int:
    """The value when it is a whole number of at least ``least`` that fits 63 bits. Raises ValueError."""
    if type(value) is not int or not least <= value < 1 << 63:
        raise ValueError("no such number")
    return value


def encode_manifest(members: dict[str, Member]) -> bytes:
    """The last member."""
    listed = {name: asdict(member) for name, member in members.items()}
    return (json.dumps({"members": listed}, indent=0) + "\n").encode("utf-8")


def decode_manifest(data: bytes) -> dict[str, Member]:
    """What the last member says.

    Raises:
        InvalidInput: code "damaged-backup".
    """
    try:
        members = _object(_object(read_json(data)).get("members"))
        return {name: _member(name, _object(said)) for name, said in members.items()}
    except ValueError as error:
        raise damaged_backup("its manifest cannot be read") from error


def _member(name: str, said: dict[str, Any]) -> Member:
    size, sha256 = whole_number(said.get("size"), 0), said.get("sha256")
    if not is_member_name(name) or not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise ValueError("no member")
    return Member(size, sha256)


def is_member_name(name: str) -> bool:
    """Whether a backup may hold a member of this name; every other is refused, whatever it says."""
    return _MEMBER.fullmatch(name) is not None or is_model_member(name)


def not_a_backup(why: str) -> InvalidInput:
    """The error for a file that is something else."""
    return InvalidInput(f"this is no backup of Nearfield: {why}. Nothing was restored", code="not-a-backup")


def damaged_backup(why: str) -> InvalidInput:
    """The error for a backup that is not as it was written."""
    return InvalidInput(
        f"this backup is damaged: {why}. Nothing was restored; take another copy of it, or an earlier backup",
        code="damaged-backup",
    )
