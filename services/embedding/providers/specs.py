"""A provider's model as a spec. What is not known of it is asked once and kept, so that it is known offline too."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from pathlib import Path

from services.embedding.providers.calls import Caller
from services.embedding.providers.network import Deadline
from services.embedding.providers.options import Endpoint, ProviderOptions, split_name
from services.embedding.providers.wire import BadAnswer, Wire, shortened
from services.embedding.spec import ModelSpec, Role
from services.errors import ModelError, NearfieldError

log = logging.getLogger(__name__)

FAMILY = "provider"
PROBE = "dimension"
PROBE_AGAIN_S = 10.0
_MAX_DIM = 32_768

_failures: dict[str, tuple[float, ModelError]] = {}
_unkept: dict[str, int] = {}
"""Dimensions that could not be written down: asked once in the life of the process all the same."""
_probing: dict[str, threading.Lock] = {}
_lock = threading.Lock()


def provider_spec(name: str, options: ProviderOptions, cache_dir: Path | None) -> ModelSpec:
    """The spec of "openai:MODEL", "azure:DEPLOYMENT" or "cohere:MODEL".

    Costs nothing where the dimension is known, by a setting or from an earlier probe; else the provider is asked for
    one vector.

    Args:
        cache_dir: where the answer of a probe is kept; None: in this process alone.

    Raises:
        ModelError: code "unknown-model" (no such name, or its provider is not configured), "provider-unknown-dimension"
            (the provider does not answer the probe) or "provider-refused".
    """
    provider, model, endpoint = find_endpoint(name, options)
    known = options.known(name)
    dim = known.dim or _learned(name, endpoint, cache_dir) or _probe(name, options, cache_dir)
    return ModelSpec(
        name=name,
        family=FAMILY,
        source=endpoint.url,
        revision="",
        dim=dim,
        max_tokens=known.max_tokens,
        pooling="provider",
        licence="the provider's terms",
        file_hashes=((f"{provider} model", hashlib.sha256(f"{provider}:{model}".encode()).hexdigest()),),
    )


def find_endpoint(name: str, options: ProviderOptions) -> tuple[str, str, Endpoint]:
    """Provider, its name of the model, and where it is.

    Raises:
        ModelError: code "unknown-model".
    """
    parts = split_name(name)
    if parts is None:
        raise ModelError(
            f"{name[:80]!r} is no name of a provider's model; allowed are openai:MODEL, azure:DEPLOYMENT and "
            "cohere:MODEL, of letters, digits and . _ - / : @ +",
            code="unknown-model",
        )
    provider, model = parts
    endpoint = options.endpoint(provider)
    if endpoint is None:
        prefix = f"NEARFIELD_{provider.upper()}"
        raise ModelError(
            f"the provider of {name} is not configured; set {prefix}_KEY, or {prefix}_URL for a server of your own",
            code="unknown-model",
        )
    return provider, model, endpoint


def _probe(name: str, options: ProviderOptions, cache_dir: Path | None) -> int:
    provider, model, endpoint = find_endpoint(name, options)
    place = _place(name, endpoint)
    with _lock:
        probing = _probing.setdefault(place, threading.Lock())
    with probing:  # of this model alone: another one's provider may answer
        learned = _learned(name, endpoint, cache_dir)
        if learned:
            return learned
        until, failure = _failures.get(place, (0.0, None))
        if failure is not None and time.monotonic() < until:
            raise failure.with_traceback(None)
        wire = Wire(provider, model, endpoint)
        caller = Caller(name, endpoint.key)
        try:
            answer = caller.ask(wire.question([PROBE], Role.DOCUMENT), Deadline(options.queries_s))
            dim = int(wire.rows(answer, 1)[0].shape[1])
            if dim > _MAX_DIM:
                raise BadAnswer(f"a vector of {dim:,} numbers is longer than the index takes, {_MAX_DIM:,}")
        except (NearfieldError, ValueError) as error:
            said = error.message if isinstance(error, NearfieldError) else caller.clean(str(error))
            code = error.code if isinstance(error, ModelError) else "provider-unknown-dimension"
            unknown = ModelError(
                f"the dimension of {name} is not known and could not be asked: {said}; say it in "
                f"NEARFIELD_PROVIDER_MODELS, such as {name}=768",
                code=code,
            )
            _failures[place] = (time.monotonic() + PROBE_AGAIN_S, unknown)
            raise unknown from None
        finally:
            caller.close()
        _keep(name, endpoint, dim, cache_dir)
    log.info("%s has %d numbers in a vector, as its provider shows", name, dim)
    return dim


def _file(name: str, endpoint: Endpoint, cache_dir: Path) -> Path:
    digest = hashlib.sha256(f"{name}\n{endpoint.url}".encode()).hexdigest()[:32]
    return cache_dir / "providers" / f"{digest}.json"


def _place(name: str, endpoint: Endpoint) -> str:
    return f"{name} {endpoint.url}"


def _learned(name: str, endpoint: Endpoint, cache_dir: Path | None) -> int:
    """The dimension of an earlier probe, 0 when there was none or its file cannot be read."""
    if unkept := _unkept.get(_place(name, endpoint)):
        return unkept
    if cache_dir is None:
        return 0
    try:
        found = json.loads(_file(name, endpoint, cache_dir).read_text(encoding="utf-8"))
        dim = found["dim"]
        return dim if type(dim) is int and found["name"] == name and 1 <= dim <= _MAX_DIM else 0
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return 0


def _keep(name: str, endpoint: Endpoint, dim: int, cache_dir: Path | None) -> None:
    if cache_dir is None:
        _unkept[_place(name, endpoint)] = dim
        return
    path = _file(name, endpoint, cache_dir)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{threading.get_ident()}.new")
        temporary.write_text(json.dumps({"name": name, "url": endpoint.url, "dim": dim}), encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        _unkept[_place(name, endpoint)] = dim
        log.warning("the dimension of %s could not be kept (%s); it is asked again at the next start", name, error)


def wire_of(spec: ModelSpec, options: ProviderOptions) -> Wire:
    """How the model of a spec is asked.

    Raises:
        ModelError: code "unknown-model", its provider is no longer configured.
    """
    provider, model, endpoint = find_endpoint(spec.name, options)
    return Wire(provider, model, endpoint, shortened(spec.name, spec.dim))
