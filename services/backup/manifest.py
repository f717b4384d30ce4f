"""What stands in a backup: its members, their names, the header that comes first and the manifest that comes last.

backup.json              format, versions, moment, instance, counts: enough to refuse a file that is not ours
accepted/<xx>/<name>.nfe the envelopes that documents pointed into at the moment
collections/<id>.json    descriptions of the collections
marks.ndjson             documents that had failed or were cancelled
ledger-keys.ndjson       what else the ledger knows that no envelope says: sources
manifest.json            name, length and SHA-256 of all of these; the file is whole only if it is there and right
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import Any

from services.errors import InvalidInput

FORMAT = 1
HEADER, MANIFEST = "backup.json", "manifest.json"
MARKS, LEDGER_KEYS = "marks.ndjson", "ledger-keys.ndjson"
_MEMBER = re.compile(
    r"accepted/(?P<shard>[0-9a-f]{2})/\d{16}-[0-9a-f]{14}(?P=shard)\.nfe|collections/[a-z0-9]{4,40}\.json"
    r"|marks\.ndjson|ledger-keys\.ndjson|backup\.json|manifest\.json"
)


@dataclass(frozen=True, slots=True)
class Header:
    """The first member. ``moment_us`` is Redis TIME of the ledger; ``size`` the length of all members but first and
    last.

    ``missing`` and ``damaged`` name envelopes that could not be taken along as they should be.
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

    def encode(self) -> bytes:
        """As JSON."""
        return (json.dumps({"nearfield-backup": asdict(self)}, indent=1) + "\n").encode("utf-8")


@dataclass(frozen=True, slots=True)
class Member:
    """What the manifest says of a member."""

    size: int
    sha256: str


def decode_header(data: bytes) -> Header:
    """The header of a backup.

    Raises:
        InvalidInput: code "not-a-backup", or "newer-backup" when a later version wrote it.
    """
    try:
        fields: dict[str, Any] = json.loads(data)["nearfield-backup"]
        if int(fields["format"]) > FORMAT:
            raise InvalidInput(
                f"this backup has format {fields['format']}, this version reads up to {FORMAT}: restore it with the "
                f"version that wrote it ({str(fields.get('product'))[:40]}) or a later one",
                code="newer-backup",
            )
        fields["missing"], fields["damaged"] = tuple(fields["missing"]), tuple(fields["damaged"])
        return Header(**fields)
    except (ValueError, KeyError, TypeError) as error:
        raise not_a_backup("its header cannot be read") from error


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
        members: dict[str, Any] = json.loads(data)["members"]
        return {name: Member(int(said["size"]), str(said["sha256"])) for name, said in members.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged_backup("its manifest cannot be read") from error


def is_member_name(name: str) -> bool:
    """Whether a backup may hold a member of this name; every other is refused, whatever it says."""
    return _MEMBER.fullmatch(name) is not None


def not_a_backup(why: str) -> InvalidInput:
    """The error for a file that is something else."""
    return InvalidInput(f"this is no backup of Nearfield: {why}. Nothing was restored", code="not-a-backup")


def damaged_backup(why: str) -> InvalidInput:
    """The error for a backup that is not as it was written."""
    return InvalidInput(
        f"this backup is damaged: {why}. Nothing was restored; take another copy of it, or an earlier backup",
        code="damaged-backup",
    )
