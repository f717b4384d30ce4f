"""One question to a provider: sent, waited for until its deadline at the latest, repeated where that can help.

The key goes to the configured address only: redirects are not followed and proxies of the environment not used. What a
provider says is cut, cleaned and freed of the key before anybody sees it.
"""

from __future__ import annotations

import json
import random
import re
import ssl
import threading
import time
import weakref
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpcore2
import httpx2

from services.embedding.providers.network import Deadline, TimedNetwork
from services.embedding.providers.wire import Question
from services.errors import ModelError, NearfieldError, Unavailable

MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""256 vectors of 3,072 numbers with 12 digits each are 12 MB."""

MAX_ATTEMPTS = 5
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 8.0
LONGEST_HOLD_S = 60
HOLD_S = 2.0
"""How long a provider that failed is left alone: what comes meanwhile is refused at once, with the reason."""

_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_SAID_CHARS = 300
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]+")


class _Trouble(Exception):
    """An attempt that failed and may go better: what happened, and how long the provider wants to be left alone."""

    def __init__(self, what: str, wait_s: float | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.wait_s = wait_s


class Caller:
    """Asks one provider. Safe to share between threads.

    Args:
        name: of the model, for messages.
        key: what must never be shown.
        clock: seconds, monotonic.
    """

    def __init__(self, name: str, key: str = "", *, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._key = key
        self._clock = clock
        self._network = TimedNetwork()
        self._transport = _Transport(self._network, httpx2.create_ssl_context(trust_env=False))
        weakref.finalize(self, self._transport.close)
        self._lock = threading.Lock()
        self._held_until = 0.0
        self._held_for = ""

    def ask(self, question: Question, deadline: Deadline) -> bytes:
        """The body of the provider's answer.

        Raises:
            ModelError: the provider refused for good (code "provider-refused").
            Unavailable: it did not answer in time, or kept failing (code "provider-unavailable").
        """
        self._refuse_if_held()
        pause_s = FIRST_PAUSE_S
        attempt = 1
        while True:
            try:
                return self._attempt(question, deadline)
            except _Trouble as trouble:
                if deadline.called_off:
                    raise self.unusable("another part of the same call failed") from None
                # jittered, so that many processes do not come back together
                jittered_s = pause_s * random.uniform(0.5, 1.0)  # noqa: S311
                wait_s = jittered_s if trouble.wait_s is None else trouble.wait_s
                if attempt >= MAX_ATTEMPTS or wait_s >= deadline.left_s() or wait_s > LONGEST_PAUSE_S:
                    raise self._hold(trouble, attempt) from None
            deadline.pause(wait_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            attempt += 1

    def close(self) -> None:
        """Closes the connections that wait for another question."""
        self._transport.close()

    def unusable(self, why: str) -> Unavailable:
        """The error for an answer that is cut off or no JSON; whatever is asked next may go better."""
        return Unavailable(
            f"the provider of {self._name} sent an answer that cannot be read: {self.clean(why)}; it is asked again "
            "later",
            code="provider-bad-answer",
            retry_after_s=int(HOLD_S),
        )

    def clean(self, text: str) -> str:
        """Words of a provider made fit to be shown: short, one line, without the key."""
        if len(self._key) >= 4:
            text = text.replace(self._key, "***")
            # providers quote keys in part, such as "sk-abc***wxyz"
            text = re.sub(re.escape(self._key[:4]) + r"[\w*.\-]+", "***", text)
        return _CONTROL.sub(" ", text)[:_SAID_CHARS].strip()

    def _attempt(self, question: Question, deadline: Deadline) -> bytes:
        limits = dict.fromkeys(("connect", "read", "write", "pool"), max(deadline.left_s(), 0.001))
        request = httpx2.Request(
            "POST", question.url, headers=question.headers, content=question.body, extensions={"timeout": limits}
        )
        try:
            with self._network.until(deadline):
                answer = self._transport.handle_request(request)
                try:
                    body = self._body(answer)
                finally:
                    answer.close()
        except httpx2.TimeoutException:
            raise _Trouble("it did not answer in time") from None
        except httpx2.ConnectError as error:
            raise _Trouble(f"it cannot be reached ({self.clean(str(error))})") from None
        except (httpx2.HTTPError, httpcore2.ProtocolError, ssl.SSLError, OSError) as error:
            raise _Trouble(f"the connection broke ({type(error).__name__})") from None
        if answer.status_code == 200:
            return body
        said = f"status {answer.status_code}: {self.clean(_message(body)) or 'no reason given'}"
        if answer.status_code in _AGAIN:
            raise _Trouble(said, retry_after_s(answer.headers.get("Retry-After", "")))
        raise self._refused(answer.status_code, said)

    def _body(self, answer: httpx2.Response) -> bytes:
        taken = bytearray()
        for part in answer.iter_raw():
            taken += part
            if len(taken) > MAX_ANSWER_BYTES:
                raise self.unusable(f"it is longer than {MAX_ANSWER_BYTES:,} bytes")
        return bytes(taken)

    def _refused(self, status: int, said: str) -> NearfieldError:
        if status in (401, 402, 403):
            step = "check the key in the settings (NEARFIELD_OPENAI_KEY, NEARFIELD_AZURE_KEY or NEARFIELD_COHERE_KEY)"
        elif status in (404, 405) or status < 400:
            step = "check the model's name and the provider's URL in the settings"
        else:
            step = "check the model, and give its true limits in NEARFIELD_PROVIDER_MODELS"
        return ModelError(f"the provider of {self._name} refused, {said}; {step}", code="provider-refused")

    def _hold(self, trouble: _Trouble, attempts: int) -> Unavailable:
        hold_s = min(max(HOLD_S, trouble.wait_s or 0.0), LONGEST_HOLD_S)
        with self._lock:
            self._held_until = self._clock() + hold_s
            self._held_for = f"{trouble.what}, {attempts} time{'s' if attempts > 1 else ''}"
        return self._held(hold_s)

    def _refuse_if_held(self) -> None:
        with self._lock:
            left_s = self._held_until - self._clock()
        if left_s > 0:
            raise self._held(left_s)

    def _held(self, left_s: float) -> Unavailable:
        return Unavailable(
            f"the provider of {self._name} is not to be had: {self._held_for}; it is asked again in {left_s:.0f} s. If "
            "that lasts, look whether it runs, and whether its URL in the settings is right",
            code="provider-unavailable",
            retry_after_s=max(1, round(left_s)),
        )


def retry_after_s(text: str, now: datetime | None = None) -> float | None:
    """Seconds of a Retry-After header, given as a number or as an HTTP date; None when it says nothing usable."""
    text = text.strip()
    if text.isascii() and text.replace(".", "", 1).isdigit() and len(text) < 12:
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - (now or datetime.now(UTC))).total_seconds())


def _message(body: bytes) -> str:
    """What a provider says in an error: {"error": {"message"}}, {"error": "..."}, {"message"}, or plain text."""
    text = body[:65_536].decode("utf-8", "replace")
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        return text
    for _ in range(2):
        if isinstance(found, dict):
            found = found.get("error") or found.get("message") or found.get("detail") or ""
    return found if isinstance(found, str) else str(found)


class _Transport(httpx2.HTTPTransport):
    """httpx2's own transport over a network with deadlines; used without a client: no cookies, proxies, redirects."""

    def __init__(self, network: httpcore2.NetworkBackend, tls: ssl.SSLContext) -> None:
        super().__init__(verify=tls, trust_env=False)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=tls,
            max_connections=16,
            max_keepalive_connections=8,
            keepalive_expiry=20.0,
            retries=0,
            network_backend=network,
        )
