"""Whether the process lives, whether it can serve, and what it is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import flask
from redis.exceptions import RedisError

from services.admission.policy import Standing
from services.audit.running import last_round
from services.embedding.caching.query_vectors import QueryCacheCounts
from services.errors import NearfieldError
from services.ledger.ledger import Ledger
from services.redis_clients import Client
from web.body import json_response
from web.endpoint import Answer, Router
from web.health_shapes import (
    AliveShape,
    AuditShape,
    CheckShape,
    IngestionShape,
    QueryCacheShape,
    ReadyShape,
    VersionShape,
)
from web.present import rfc3339
from web.state import web_state
from web.warmup import ModelState

SHOWN_FINDINGS = 20
"""Of what the audit found; `nearfield audit` tells all."""

routes = Router("health", prefix="")


def product_version() -> str:
    """The installed version, or "unknown" when the project runs without being installed."""
    try:
        return version("nearfield")
    except PackageNotFoundError:
        return "unknown"


@routes.route("GET", "/livez", "Whether the process answers", answers=Answer(200, "It does", AliveShape))
def alive() -> flask.Response:
    """For a supervisor: restart the process when this fails."""
    answer: AliveShape = {"status": "alive"}
    return json_response(answer)


@routes.route(
    "GET",
    "/readyz",
    "Whether searches and uploads can be served",
    answers=(Answer(200, "They can", ReadyShape), Answer(503, "Not now; the checks say why", ReadyShape)),
)
def ready() -> flask.Response:
    """For a load balancer: ledger, index and the default model.

    A shortage of room and what the keeper's audit found are told beside them: searches go on, so neither makes the
    process unready.
    """
    state = web_state()
    checks: dict[str, CheckShape] = {
        "ledger": _ping(state.services.ledger_client, "ledger"),
        "index": _ping(state.services.index_client, "index"),
        "model": {"ok": state.warmup.state is ModelState.READY, "detail": state.warmup.detail},
    }
    answer: ReadyShape = {
        "status": "ready",
        "checks": checks,
        "ingestion": ingestion_json(state.services.admission.standing()),
        "audit": _audit(state.services.ledger) if checks["ledger"]["ok"] else None,
        "query_cache": _query_cache(state.services.queries.counts()),
    }
    if not all(check["ok"] for check in checks.values()):
        only_loading = checks["ledger"]["ok"] and checks["index"]["ok"] and state.warmup.state is ModelState.LOADING
        answer["status"] = "starting" if only_loading else "unavailable"
    response = json_response(answer, 200 if answer["status"] == "ready" else 503)
    if answer["status"] != "ready":
        response.headers["Retry-After"] = "2"
    return response


@routes.route("GET", "/version", "What runs here", answers=Answer(200, "Name and version", VersionShape))
def what_runs() -> flask.Response:
    """The product's version and the API's."""
    answer: VersionShape = {"name": "nearfield", "version": product_version(), "api": "v1"}
    return json_response(answer)


def ingestion_json(standing: Standing) -> IngestionShape:
    """How ingestion stands: whether it runs, whether more is taken, and what is short."""
    return {
        "state": "paused" if standing.pausing else "running",
        "accepting": standing.accepting,
        "reasons": [
            {"resource": shortage.resource.value, "detail": shortage.sentence} for shortage in standing.shortages
        ],
    }


def _query_cache(counts: QueryCacheCounts) -> QueryCacheShape:
    return {
        "entries": counts.entries,
        "limit": counts.limit,
        "bytes": counts.bytes,
        "hits": counts.hits,
        "misses": counts.misses,
        "joined": counts.joined,
    }


def _audit(ledger: Ledger) -> AuditShape | None:
    """The last round of the running audit; None when there was none or it cannot be read, which is no failure here."""
    try:
        last = last_round(ledger)
    except (RedisError, NearfieldError, OSError, ValueError):
        return None
    if last is None:
        return None
    ended_ms, findings = last
    return {"ended_at": rfc3339(ended_ms), "found": len(findings), "findings": list(findings[:SHOWN_FINDINGS])}


def _ping(client: Client, name: str) -> CheckShape:
    try:
        client.ping()
    except (RedisError, NearfieldError, OSError) as error:
        return {"ok": False, "detail": f"the {name} Redis does not answer ({type(error).__name__})"}
    return {"ok": True, "detail": ""}
