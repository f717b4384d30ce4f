"""The one family of errors that the product raises on purpose.

Each error has a stable ``code`` that clients may switch on, a message that says what was wrong, what was given,
what is allowed and what to do next, and ``retryable``: whether the same call can succeed later without a change.
Services know no HTTP; ``web/errors.py`` maps the classes to status codes.
"""

from __future__ import annotations


class NearfieldError(Exception):
    """Base of all expected errors.

    Args:
        message: what was wrong, what was given, what is allowed, what to do next.
        pointer: JSON pointer to the offending part of the request ("/filter/and/0/field"), when there is one.
        code: overrides the class's stable code with a narrower one.
        retry_after_s: how long to wait before the same call is worth another try.
    """

    code = "error"
    retryable = False

    def __init__(
        self, message: str, *, pointer: str | None = None, code: str | None = None, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.pointer = pointer
        self.retry_after_s = retry_after_s
        if code is not None:
            self.code = code


class InvalidInput(NearfieldError):
    """The caller gave something that can never be accepted as it stands."""

    code = "invalid-input"


class MalformedJson(InvalidInput):
    """A body that is not the JSON this product reads (NaN, duplicate keys and deep nesting included)."""

    code = "malformed-json"


class TooLarge(InvalidInput):
    """Something is over a limit that the message names."""

    code = "too-large"


class UnsupportedMedia(InvalidInput):
    """A content type or file format that is not read."""

    code = "unsupported-media-type"


class ExtractionFailed(NearfieldError):
    """The process that read a document did not come to an end of its own: it crashed, or was over a limit.

    Args:
        again: whether another attempt may go better; a limit that is reached once is reached again.
        trace: where it broke, for the log.
    """

    code = "extraction-crashed"

    def __init__(self, message: str, *, code: str | None = None, again: bool = False, trace: str = "") -> None:
        super().__init__(message, code=code)
        self.again = again
        self.trace = trace


class NotFound(NearfieldError):
    """A collection, document or job that does not exist (or no longer does)."""

    code = "not-found"


class Conflict(NearfieldError):
    """The request contradicts the present state: a taken name, a reused idempotency key, another model."""

    code = "conflict"


class ModelError(NearfieldError):
    """A model that cannot be loaded or is not the one its fingerprint promises."""

    code = "model-unavailable"


class Unavailable(NearfieldError):
    """A part of the product cannot answer now: Redis away, an index being rebuilt, a full queue."""

    code = "unavailable"
    retryable = True


class IndexRebuilding(Unavailable):
    """The index is absent or incomplete; an empty answer would be a lie."""

    code = "index-rebuilding"


class Overloaded(Unavailable):
    """More work is waiting than the limit allows; refused at once rather than queued for ever."""

    code = "overloaded"


class StorageFull(Unavailable):
    """Disk or Redis memory is used up: nothing was accepted."""

    code = "storage-full"


class SourceError(Unavailable):
    """A source, or a page of one, that cannot be read now; nothing of what it brought earlier is touched."""

    code = "source-unreadable"


class SettingsError(NearfieldError):
    """A setting that is unknown or has an unusable value; the process must not start."""

    code = "settings"
