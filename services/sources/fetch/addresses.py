"""Which network addresses may be fetched from: public ones, and those an operator has named.

``ipaddress.is_global`` alone is not enough: on Python 3.11 it passes 9 of 24 special addresses (192.88.99.1,
224.0.0.1, 64:ff9b::a9fe:a9fe, 2002:7f00:1::, ff02::1, ::127.0.0.1, fec0::1 among them).
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NAT64 = IPv6Network("64:ff9b::/96")
# Registered special-purpose networks. ::/96 is unspecified, loopback and the old IPv4-compatible form, 2001::/23 holds
# Teredo, ORCHID and benchmarks, 2002::/16 is 6to4: tunnels that carry an IPv4 address inside, and no public site is
# named by one any more.
_SPECIAL_TEXT = """
0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.31.196.0/24
192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4
240.0.0.0/4 ::/96 ::ffff:0:0:0/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001:db8::/32 2002::/16
2620:4f:8000::/48 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8
"""
_SPECIAL: tuple[Network, ...] = tuple(ip_network(text) for text in _SPECIAL_TEXT.split())


def parse_networks(text: str) -> tuple[Network, ...]:
    """Networks of a setting such as "10.1.0.0/16, fd00::/8"; a single address is a network of one.

    Raises:
        ValueError: naming the part that is none.
    """
    return tuple(ip_network(part, strict=False) for part in text.replace(",", " ").split())


def may_fetch(address: str, allowed: Sequence[Network]) -> bool:
    """Whether a connection to this numeric address may be made.

    Args:
        address: as a resolver gives it; anything else is refused.
        allowed: networks that may be fetched from although they are not public.
    """
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.scope_id:
        return False
    return _permitted(found, allowed)


def _permitted(address: Address, allowed: Sequence[Network]) -> bool:
    inner = _unwrapped(address)
    if any(candidate in network for candidate in {address, inner} for network in allowed):
        return True
    return _public(inner) and not _is_ours(str(inner))


def _unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for: mapped by the socket layer, or translated by NAT64."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _public(address: Address) -> bool:
    special = (
        address.is_multicast
        or address.is_reserved
        or address.is_loopback
        or address.is_link_local
        or address.is_private
        or address.is_unspecified
        or any(address in network for network in _SPECIAL)
    )
    return address.is_global and not special


def _is_ours(address: str) -> bool:
    """Whether this machine itself has the address: only then can a socket be bound to it."""
    return _bindable(address) and not _binds_anything()


@cache
def _binds_anything() -> bool:
    """Whether the kernel binds sockets also to addresses that nobody has (ip_nonlocal_bind): then it tells nothing."""
    return _bindable("192.0.2.1")


def _bindable(address: str) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError as error:
        return error.errno == errno.EADDRINUSE
    return True
