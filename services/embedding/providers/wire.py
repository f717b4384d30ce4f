"""How each provider is asked and how its answers are read: pure, from texts to JSON and back to rows of numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np
from numpy.typing import NDArray

from services.embedding.providers.options import AZURE_API_VERSION, KNOWN, Endpoint
from services.embedding.spec import Role

_COHERE_ROLES = {Role.QUERY: "search_query", Role.DOCUMENT: "search_document"}
_SHORTEST = 1e-12


class BadAnswer(ValueError):
    """An answer that was read whole and is not what was asked for. The message is for people."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What goes into one request: at most so many texts, and so many tokens by our estimate."""

    texts: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Question:
    """One request, ready to be sent with POST."""

    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Wire:
    """One model of one provider.

    Attributes:
        provider: "openai", "azure" or "cohere".
        model: its name there.
        endpoint: where it is.
        shorten_to: dimension to ask for where it is not the model's own; 0: its own.
    """

    provider: str
    model: str
    endpoint: Endpoint
    shorten_to: int = 0

    @property
    def limits(self) -> Limits:
        """Cohere takes 96 texts; OpenAI and Azure 2,048 texts and 300,000 tokens; TEI, if not told otherwise, 32 texts
        and 16,384 tokens.
        """
        if self.provider == "cohere":
            return Limits(96, 100_000)
        host = urlsplit(self.endpoint.url).hostname or ""
        if self.provider == "azure" or host == "api.openai.com":
            return Limits(256, 100_000)
        return Limits(32, 16_000)

    def question(self, texts: Sequence[str], role: Role) -> Question:
        """The request for some texts, none of them blank."""
        base = self.endpoint.url
        headers = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}
        if self.provider == "azure":
            version = quote(self.endpoint.api_version or AZURE_API_VERSION, safe="")
            url = f"{base}/openai/deployments/{quote(self.model, safe='')}/embeddings?api-version={version}"
            headers["api-key"] = self.endpoint.key
        else:
            url = f"{base}/v2/embed" if self.provider == "cohere" else f"{base}/embeddings"
            if self.endpoint.key:
                headers["Authorization"] = f"Bearer {self.endpoint.key}"
        body = json.dumps(self._body(texts, role), ensure_ascii=False, separators=(",", ":"))
        return Question(url, headers, body.encode("utf-8"))

    def _body(self, texts: Sequence[str], role: Role) -> dict[str, Any]:
        body: dict[str, Any]
        if self.provider == "cohere":
            body = {
                "model": self.model,
                "texts": list(texts),
                "input_type": _COHERE_ROLES[role],
                "embedding_types": ["float"],
                "truncate": "END",
            }
            if self.shorten_to:
                body["output_dimension"] = self.shorten_to
            return body
        body = {"input": list(texts), "encoding_format": "float"}
        if self.provider == "openai":
            body["model"] = self.model
        if self.shorten_to:
            body["dimensions"] = self.shorten_to
        return body

    def rows(self, answer: bytes, count: int) -> tuple[NDArray[np.float32], int | None]:
        """Vectors of length 1 in the order of the texts, and the tokens that the provider counted.

        Args:
            answer: the body of a successful answer.
            count: texts that were sent.

        Returns:
            float32, shape (count, whatever the provider gave), and tokens or None.

        Raises:
            ValueError: it is no JSON at all. BadAnswer: it is JSON, and not ``count`` vectors of finite numbers.
        """
        try:
            found = json.loads(answer)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        if not isinstance(found, dict):
            raise BadAnswer("it is not a JSON object")
        rows = _cohere_rows(found) if self.provider == "cohere" else _openai_rows(found)
        if len(rows) != count:
            raise BadAnswer(f"it holds {len(rows)} vectors for {count} texts")
        return _unit_rows(rows), _tokens(found)


def shortened(name: str, dim: int) -> int:
    """The dimension to ask for: 0 when it is the model's own, or when the provider cannot shorten it."""
    known = KNOWN.get(name)
    return dim if known is not None and known.shortens and dim != known.dim else 0


def _openai_rows(answer: Mapping[str, Any]) -> list[Any]:
    """Vectors in the order of their ``index``; in the order of the list where no row has one."""
    data = answer.get("data")
    if not isinstance(data, list) or not all(isinstance(item, dict) and "embedding" in item for item in data):
        raise BadAnswer("it has no list 'data' of objects with an 'embedding'")
    if all("index" not in item for item in data):
        return [item["embedding"] for item in data]
    places = [item.get("index") for item in data]
    if not all(type(place) is int for place in places) or sorted(places) != list(range(len(data))):
        raise BadAnswer("the 'index' of its vectors does not number the texts")
    rows: list[Any] = [None] * len(data)
    for item in data:
        rows[item["index"]] = item["embedding"]
    return rows


def _cohere_rows(answer: Mapping[str, Any]) -> list[Any]:
    embeddings = answer.get("embeddings")
    rows = embeddings.get("float") if isinstance(embeddings, dict) else None
    if not isinstance(rows, list):
        raise BadAnswer("it has no list 'embeddings.float'")
    return rows


def _unit_rows(rows: Sequence[Any]) -> NDArray[np.float32]:
    for number, row in enumerate(rows):
        if not isinstance(row, list) or not row:
            raise BadAnswer(f"vector {number} is not a list of numbers")
        if not all(type(value) in (int, float) for value in row):
            raise BadAnswer(f"vector {number} holds something that is not a number")
        if len(row) != len(rows[0]):
            raise BadAnswer(f"vector {number} has {len(row)} numbers, the first one {len(rows[0])}")
    try:
        wide = np.asarray(rows, dtype=np.float64)
    except OverflowError:
        raise BadAnswer("a vector holds a number beyond all range") from None
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    usable = np.isfinite(lengths[:, 0]) & (lengths[:, 0] > _SHORTEST)
    if not usable.all():
        raise BadAnswer(f"vector {int(np.argmin(usable))} holds a NaN or an infinity, or has no direction")
    unit: NDArray[np.float32] = (wide / lengths).astype(np.float32)
    return unit


def _tokens(answer: Mapping[str, Any]) -> int | None:
    usage = answer.get("usage")
    if isinstance(usage, dict):
        said = usage.get("prompt_tokens", usage.get("total_tokens"))
    else:
        meta = answer.get("meta")
        billed = meta.get("billed_units") if isinstance(meta, dict) else None
        said = billed.get("input_tokens") if isinstance(billed, dict) else None
    if isinstance(said, bool) or not isinstance(said, int | float):
        return None
    return int(said) if 0 <= said < 1e12 else None
