"""Which providers may be asked, and which of their models are offered. Nothing here connects to anything."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

PROVIDERS = ("openai", "azure", "cohere")
OPENAI_URL = "https://api.openai.com/v1"
COHERE_URL = "https://api.cohere.com"
AZURE_API_VERSION = "2024-10-21"
DEFAULT_MAX_TOKENS = 512
"""Taken where nothing is known of a model: every common one reads that much."""

_NAME = re.compile(r"(openai|azure|cohere):([A-Za-z0-9][A-Za-z0-9._/:@+-]{0,127})")
_DEPLOYMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MAX_DIM = 32_768
_MAX_TOKENS = 1_000_000


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a provider is reached.

    Attributes:
        url: base address without a slash at its end.
        key: sent with every request, never shown; "" for servers that ask for none.
        api_version: of Azure.
    """

    url: str
    key: str = field(default="", repr=False)
    api_version: str = ""


@dataclass(frozen=True, slots=True)
class KnownModel:
    """What is known of a provider's model.

    Attributes:
        dim: numbers in a vector; 0: to be asked.
        max_tokens: longest input, by our estimate of its tokens.
        price: money for a million tokens; None when unknown.
        shortens: whether the provider gives shorter vectors on request.
    """

    dim: int = 0
    max_tokens: int = DEFAULT_MAX_TOKENS
    price: float | None = None
    shortens: bool = False


# Dimensions and limits as the providers document them, prices (US dollars) as listed in 2026; a setting overrides them.
KNOWN: dict[str, KnownModel] = {
    "openai:text-embedding-3-small": KnownModel(1536, 8191, 0.02, shortens=True),
    "openai:text-embedding-3-large": KnownModel(3072, 8191, 0.13, shortens=True),
    "openai:text-embedding-ada-002": KnownModel(1536, 8191, 0.10),
    "cohere:embed-v4.0": KnownModel(1536, 128_000, 0.12, shortens=True),
    "cohere:embed-english-v3.0": KnownModel(1024, 512, 0.10),
    "cohere:embed-multilingual-v3.0": KnownModel(1024, 512, 0.10),
    "cohere:embed-english-light-v3.0": KnownModel(384, 512, 0.10),
    "cohere:embed-multilingual-light-v3.0": KnownModel(384, 512, 0.10),
}


def _told_nobody(name: str, texts: int, tokens: int) -> None:
    """What was asked for is of interest to nobody."""


@dataclass(frozen=True, slots=True)
class ProviderOptions:
    """What the operator has set up.

    Attributes:
        openai: OpenAI or a compatible server; None: not configured.
        azure: an Azure OpenAI resource; None: not configured.
        cohere: Cohere; None: not configured.
        offered: models by name, with what the operator says of them.
        documents_s: time limit of a call that embeds documents; what was answered by then is kept for the next one.
        queries_s: time limit of a call that embeds queries.
        tell: called with the model's name, texts and tokens of each request that was answered.
    """

    openai: Endpoint | None = None
    azure: Endpoint | None = None
    cohere: Endpoint | None = None
    offered: tuple[tuple[str, KnownModel], ...] = ()
    documents_s: float = 12.0
    queries_s: float = 5.0
    tell: Callable[[str, int, int], None] = field(default=_told_nobody, compare=False)

    def endpoint(self, provider: str) -> Endpoint | None:
        """Where a provider is reached, None when it is not configured."""
        return {"openai": self.openai, "azure": self.azure, "cohere": self.cohere}.get(provider)

    def names(self) -> tuple[str, ...]:
        """The offered models whose provider is configured."""
        return tuple(name for name, _ in self.offered if self.endpoint(name.partition(":")[0]) is not None)

    def known(self, name: str) -> KnownModel:
        """What is known of a model: what the operator says, else the table, else nothing."""
        return dict(self.offered).get(name) or KNOWN.get(name) or KnownModel()


def is_provider_name(name: str) -> bool:
    """Whether a name is meant for a provider, well formed or not."""
    return name.partition(":")[0] in PROVIDERS and ":" in name


def split_name(name: str) -> tuple[str, str] | None:
    """Provider and model of "openai:MODEL", "azure:DEPLOYMENT" or "cohere:MODEL"; None when it is no such name."""
    match = _NAME.fullmatch(name)
    if match is None or ".." in match[2] or "//" in match[2]:
        return None
    if match[1] == "azure" and not _DEPLOYMENT.fullmatch(match[2]):
        return None
    return match[1], match[2]


def parse_offered(text: str) -> tuple[tuple[str, KnownModel], ...]:
    """Models as a setting lists them: "openai:nomic-embed-text=768, openai:text-embedding-3-small=1536/8191/0.02".

    After "=" stand the dimension, the longest input in tokens and the price of a million tokens, each may be left out.

    Raises:
        ValueError: naming the entry that is none.
    """
    return tuple(_entry(part.strip()) for part in text.split(",") if part.strip())


def is_in_the_open(url: str) -> bool:
    """Whether what is sent there can be read on the way: plain http to another machine."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "http" or host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


def _entry(text: str) -> tuple[str, KnownModel]:
    name, _, facts = text.partition("=")
    if split_name(name) is None:
        raise ValueError(f"{name[:80]!r} is not openai:MODEL, azure:DEPLOYMENT or cohere:MODEL")
    base = KNOWN.get(name, KnownModel())
    dim, tokens, price, *rest = [*(part.strip() for part in facts.split("/")), "", ""]
    try:
        if any(rest):
            raise ValueError("too many values")
        found = KnownModel(
            int(dim) if dim else base.dim,
            int(tokens) if tokens else base.max_tokens,
            float(price) if price else base.price,
            base.shortens,
        )
    except ValueError:
        raise ValueError(
            f"{text[:120]!r} is not NAME=DIMENSION/TOKENS/PRICE, such as openai:text-embedding-3-small=1536/8191/0.02"
        ) from None
    if not 0 <= found.dim <= _MAX_DIM or not 1 <= found.max_tokens <= _MAX_TOKENS or not 0 <= (found.price or 0) < 1e6:
        raise ValueError(f"{text[:120]!r}: the dimension is 1 to {_MAX_DIM}, tokens are 1 to {_MAX_TOKENS:,}")
    return name, found


def clean_url(text: str) -> str:
    """A base URL without the slash at its end.

    Raises:
        ValueError: it is no http(s) URL, or has a user, a query or a fragment. What was given is not repeated: it may
            hold a key.
    """
    try:
        parts = urlsplit(text)
        plain = bool(parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port))
    except ValueError:
        plain = False
    else:
        plain = plain and not (parts.query or parts.fragment or "@" in parts.netloc) and text.isprintable()
    if not plain:
        raise ValueError("this is not a base URL such as http://127.0.0.1:11434/v1 (no user, no query)")
    return text.rstrip("/")
