"""Beside Kubernetes services called nearfield..., the variables it injects neither stop the start nor set anything."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from services.errors import SettingsError
from services.settings import Settings, load_settings

# Names of Kubernetes services next to which the product might run.
SERVICES = ("nearfield", "nearfield-web", "nearfield-ledger", "nearfield-index", "nearfield-bind", "nearfield-data-dir")


def injected(service: str, port: int, protocol: str = "tcp") -> dict[str, str]:
    """What the kubelet puts into every container of the namespace for one service."""
    name, address = service.upper().replace("-", "_"), "10.0.0.7"
    prefix = f"{name}_PORT_{port}_{protocol.upper()}"
    return {
        "KUBERNETES_SERVICE_HOST": "10.0.0.1",
        f"{name}_SERVICE_HOST": address,
        f"{name}_SERVICE_PORT": str(port),
        f"{name}_SERVICE_PORT_HTTP": str(port),
        f"{name}_SERVICE_PORT_ADMIN_API": str(port),
        f"{name}_PORT": f"{protocol}://{address}:{port}",
        prefix: f"{protocol}://{address}:{port}",
        f"{prefix}_PROTO": protocol,
        f"{prefix}_PORT": str(port),
        f"{prefix}_ADDR": address,
    }


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("protocol", ["tcp", "udp", "sctp"])
def test_injected_variables_change_nothing(service: str, protocol: str) -> None:
    assert load_settings(injected(service, 8080, protocol)) == load_settings({})


def test_our_own_variables_are_read_beside_them() -> None:
    settings = load_settings({**injected("nearfield", 8080), "NEARFIELD_BIND": "0.0.0.0:9000"})
    assert settings.bind == "0.0.0.0:9000"


@pytest.mark.parametrize("name", ["NEARFIELD_PORT", "NEARFIELD_FETCH_PORT", "NEARFIELD_SERVICE_HOST"])
def test_outside_a_cluster_such_a_name_is_a_typing_error(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        load_settings({name: "8080"})


TEXTS = {"bind": "h:1", "log_level": "error", "ledger_url": "redis://a", "index_url": "redis://b"}
TEXTS |= {"fetch_allow_cidrs": "10.0.0.0/8", "fetch_ports": "8443"}
TEXTS |= {f"{provider}_url": f"http://{provider}/v1" for provider in ("openai", "azure", "cohere")}
TEXTS |= {"azure_api_version": "2025-01-01", "provider_models": "openai:some-model=768", "batch_tokens": "64"}
TEXTS |= {"device": "cpu", "precision": "fp32"}
TOGETHER = {"NEARFIELD_LEDGER_URL": "redis://a", "NEARFIELD_INDEX_URL": "redis://b"}


@pytest.mark.parametrize("name", Settings.model_fields)
def test_no_setting_has_a_name_that_would_be_passed_over(name: str) -> None:
    default = getattr(load_settings({}), name)
    match default:
        case bool():
            value = str(not default)
        case int() if name not in TEXTS:
            value = str(default + 1)
        case _:
            value = TEXTS.get(name, "/x")
    both = TOGETHER if name in ("ledger_url", "index_url") else {}
    found = getattr(load_settings({**both, f"NEARFIELD_{name.upper()}": value}), name)
    assert (found.get_secret_value() if isinstance(found, SecretStr) else str(found)) == value


@pytest.mark.parametrize("variable", ["NEARFIELD_PROT", "NEARFIELD_HOST", "NEARFIELD_SERVICE", "NEARFIELD_DATADIR"])
def test_a_typing_error_is_still_an_error(variable: str) -> None:
    with pytest.raises(SettingsError, match=variable):
        load_settings({variable: "x"})
