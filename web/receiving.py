"""Reading request bodies off the wire: refused before they come where there is no room, on disk while they come."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from waitress.parser import HTTPRequestParser
from waitress.utilities import Error

from services.errors import NearfieldError
from web.errors import problem_of
from web.intake import Entry, Intake, storage_error

log = logging.getLogger(__name__)


class Refused(Error):  # type: ignore[misc]
    """A refusal in the words of the product, where waitress expects an error of its own."""

    def __init__(self, cause: NearfieldError) -> None:
        super().__init__(cause.message)
        self.cause = cause
        self.code = problem_of(cause).status
        self.reason = HTTPStatus(self.code).phrase


class Receiver(HTTPRequestParser):  # type: ignore[misc]
    """Waitress's parser of one request, with an entry in the intake for its body.

    Args:
        adj: waitress's adjustments.
        intake: asked when the headers are there, and as the body grows.
    """

    def __init__(self, adj: Any, intake: Intake) -> None:
        super().__init__(adj)
        self.completed: bool = False
        self._intake = intake
        self._entry: Entry | None = None

    def received(self, data: bytes) -> int:
        """Takes bytes in and returns how many; all of them once the request is refused."""
        if self.completed:
            return 0
        in_body = self.body_rcv is not None
        try:
            consumed = int(super().received(data))
            if self.error is not None:
                self.expect_continue = False  # or waitress would ask for the body that it has just refused
            elif in_body and self._entry is not None:
                self._entry.grow(consumed)
            elif self.body_rcv is not None:
                length = None if self.chunked else self.content_length
                self._entry = self._intake.enter(self.headers.get("CONTENT_TYPE", ""), length)
        except OSError as error:
            return self._refuse(storage_error(error), len(data))
        except NearfieldError as error:
            return self._refuse(error, len(data))
        return consumed

    def close(self) -> None:
        """Removes the body from the disk and counts it out; more than once does no harm."""
        super().close()
        if self._entry is not None:
            self._entry.leave()

    def _refuse(self, error: NearfieldError, offered: int) -> int:
        log.info("refused: %s", error.message)
        self.error = Refused(error)
        self.expect_continue = False
        self.completed = True
        self.close()
        return offered
