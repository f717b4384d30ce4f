"""The running instance, if there is one, and the address it would listen on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from cli.api_errors import ApiProblem, Unreachable
from cli.doctor.finding import Finding, failed, ok, skipped, warning
from cli.up.address import check_free, is_loopback
from services.errors import NearfieldError
from services.settings import Settings, split_bind


def look_at_instance(settings: Settings) -> Iterator[Finding]:
    """All findings about the address and what answers there."""
    found = instance(settings.url)
    yield found
    yield address(settings, answered=found.health.value != "skipped")


def instance(url: str) -> Finding:
    """What answers at NEARFIELD_URL."""
    from cli.client import ApiClient

    with ApiClient(url) as client:
        try:
            version: dict[str, Any] = client.version()
            ready = client.readiness()
        except Unreachable:
            return skipped("instance", f"none runs at {url}", "start one with `nearfield up`")
        except (ApiProblem, ValueError, KeyError) as error:
            return failed("instance", f"{url} is something else: {error}", "set NEARFIELD_URL, or choose another port")
    if not isinstance(version, dict) or version.get("name") != "nearfield":
        return failed("instance", f"{url} is something else", "set NEARFIELD_URL, or choose another port for `up`")
    if ready["status"] == "ready":
        return ok("instance", f"{url}, version {version['version']}, ready")
    troubles = [f"{name}: {check['detail']}" for name, check in ready["checks"].items() if not check["ok"]]
    return warning("instance", f"{url} is {ready['status']} ({'; '.join(troubles)})", "wait, or look into its logs")


def address(settings: Settings, *, answered: bool) -> Finding:
    """Whether the web server could listen where the settings say."""
    host, port = split_bind(settings.bind)
    if not is_loopback(host):
        advice = "there are no accounts yet: whoever reaches it can read and delete everything; use 127.0.0.1"
        return warning("address", f"{settings.bind} can be reached from other machines", advice)
    if answered and urlsplit(settings.url).port == port:
        return ok("address", f"{settings.bind}, used by the running instance")
    if port == 0:
        return ok("address", f"{settings.bind}: a free port is picked")
    try:
        check_free(host, port)
    except NearfieldError as error:
        return failed("address", f"{settings.bind} cannot be used", error.message)
    return ok("address", f"{settings.bind} is free")
