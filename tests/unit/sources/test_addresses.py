"""Which addresses may be fetched from."""

from __future__ import annotations

import pytest

from services.sources.fetch.addresses import may_fetch, parse_networks

_REFUSED = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1
172.31.255.255 192.0.0.8 192.0.0.9 192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1 192.168.1.1 192.175.48.1 198.18.0.1
198.51.100.1 203.0.113.7 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 :: ::1 ::127.0.0.1 ::8.8.8.8
::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:127.0.0.1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe
64:ff9b::10.0.0.1 64:ff9b:1::1 100::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:2::1 2001:10::1 2001:20::1
2001:db8::1 2002:7f00:1:: 2002:a9fe:a9fe:: 2002:808:808:: 2620:4f:8000::1 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1
fec0::1 ff02::1 ff0e::1 fe80::1%eth0 2606:4700::1111%lo
"""
REFUSED = _REFUSED.split()
PUBLIC = ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]
NO_ADDRESS = ["", "localhost", "127.1", "0x7f000001", "2130706433", "8.8.8.8/32", "8.8.8.8 ", "８.8.8.8"]


@pytest.mark.parametrize("address", [*REFUSED, *NO_ADDRESS])
def test_special_addresses_are_refused(address: str) -> None:
    assert not may_fetch(address, ())


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_not(address: str) -> None:
    assert may_fetch(address, ())


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203"])
def test_a_network_can_be_allowed(address: str) -> None:
    allowed = parse_networks("10.1.0.0/16, fd00::/8")
    assert may_fetch(address, allowed)
    assert not may_fetch("10.2.0.1", allowed)
    assert may_fetch("fd00::1", allowed)


def test_networks_are_read_or_refused() -> None:
    assert [str(network) for network in parse_networks(" 10.1.2.3/16,::1 ")] == ["10.1.0.0/16", "::1/128"]
    with pytest.raises(ValueError, match="nonsense"):
        parse_networks("nonsense")
