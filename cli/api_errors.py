"""What can go wrong between a command and the running instance, in the words of whoever said it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx2

from services.errors import NearfieldError, Unavailable


class ApiProblem(NearfieldError):
    """An error that the server told (problem+json). ``status`` is the HTTP status, ``body`` the whole answer."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(
            str(body.get("detail") or body.get("title") or f"the server answered {status}"),
            pointer=body.get("pointer"),
            code=str(body.get("code") or f"http-{status}"),
        )
        self.status = status
        self.body = body
        self.retryable = bool(body.get("retryable", False))

    @property
    def details(self) -> Sequence[Mapping[str, Any]]:
        """Each thing that is wrong, when the server listed several."""
        return self.body.get("errors") or ()


class Unreachable(Unavailable):
    """Nothing that speaks HTTP answers at the URL."""

    code = "unreachable"


def problem_of(answer: httpx2.Response) -> ApiProblem:
    """The error that an answer tells."""
    try:
        found = answer.json()
    except ValueError:
        found = None
    if isinstance(found, dict) and isinstance(found.get("error"), dict):  # the shape of /v1
        error = found["error"]
        found = {"detail": error.get("message"), "code": error.get("code"), "retryable": answer.status_code == 503}
    if not isinstance(found, dict):
        found = {
            "detail": f"the server at {answer.request.url} answered {answer.status_code} without a reason that can be "
            "read; is it a Nearfield? NEARFIELD_URL says where the commands look"
        }
    return ApiProblem(answer.status_code, found)


def unreachable(base_url: str, error: Exception) -> Unreachable:
    """The message when nobody answers: what to start, or what to set."""
    return Unreachable(
        f"no Nearfield answers at {base_url} ({str(error) or type(error).__name__}). Start one with `nearfield up`, "
        "or set NEARFIELD_URL to where it runs"
    )
