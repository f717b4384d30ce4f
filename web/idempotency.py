"""Idempotency-Key: a repeated request gets its first answer, and a key never stands for two different requests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import flask

from services.errors import InvalidInput

HEADER = "Idempotency-Key"
MAX_KEY_CHARS = 200


@dataclass(frozen=True, slots=True)
class RequestKey:
    """What the ledger remembers a request by; both are "" when the client sent no key."""

    id: str = ""
    hash: str = ""

    def part(self, number: int, content: bytes) -> RequestKey:
        """The key of one slice of a long request; the same body is always cut the same way."""
        if not self.id:
            return self
        name = hashlib.sha256(self.id.encode("utf-8")).hexdigest()  # keys have a length limit, and a suffix comes to it
        digest = hashlib.sha256(f"{self.hash}\n{number}\n".encode() + content).hexdigest()
        return RequestKey(f"{name}#{number}", digest)


def request_key(request: flask.Request, content: Iterable[bytes]) -> RequestKey:
    """The key of a request, from its header and everything that must be equal for it to be the same request.

    Args:
        request: method, path and content type are taken from it.
        content: the body, or the parts of it that matter (a multipart boundary does not).

    Raises:
        InvalidInput: the header is empty, too long or holds something else than visible ASCII.
    """
    given = request.headers.get(HEADER)
    if given is None:
        return RequestKey()
    if not 0 < len(given) <= MAX_KEY_CHARS or not (given.isascii() and given.isprintable()) or " " in given:
        raise InvalidInput(
            f"the {HEADER} has {len(given)} characters; allowed are 1 to {MAX_KEY_CHARS} visible ASCII characters "
            "without blanks, such as a UUID",
            code="bad-idempotency-key",
            pointer=f"/{HEADER}",
        )
    digest = hashlib.sha256(f"{request.method}\n{request.path}\n{request.mimetype}\n".encode("utf-8", "replace"))
    for part in content:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return RequestKey(given, digest.hexdigest())
