from __future__ import annotations

import socket

import pytest

from cli.up.address import browser_url, check_free, is_loopback
from services.errors import NearfieldError


def test_a_port_in_use_is_told_with_another_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(NearfieldError) as caught:
            check_free("127.0.0.1", port)
    assert caught.value.code == "port-in-use"
    assert f"--port {port + 1}" in caught.value.message
    check_free("127.0.0.1", port)


@pytest.mark.parametrize("host", ["203.0.113.7", "no such host", "256.1.1.1"])
def test_an_address_that_is_not_ours_is_told(host: str) -> None:
    with pytest.raises(NearfieldError, match="cannot listen on") as caught:
        check_free(host, 0)
    assert caught.value.code == "bad-host"


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("::", False),
     ("192.168.1.5", False), ("example.org", False)],
)  # fmt: skip
def test_who_can_reach_an_address(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", "http://127.0.0.1:8"), ("0.0.0.0", "http://127.0.0.1:8"), ("::", "http://[::1]:8"),
     ("::1", "http://[::1]:8"), ("box.lan", "http://box.lan:8")],
)  # fmt: skip
def test_the_address_to_type(host: str, expected: str) -> None:
    assert browser_url(host, 8) == expected
