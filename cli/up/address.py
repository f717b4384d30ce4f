"""The address the web server shall listen on: is it free, is it public, and what does a browser type?"""

from __future__ import annotations

import errno
import ipaddress
import socket

from services.errors import Conflict, NearfieldError


def check_free(host: str, port: int) -> None:
    """Tries to listen where the web server will, before anything is started.

    Raises:
        Conflict: the port is in use.
        NearfieldError: the address is not this machine's, or the port needs more rights.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        raise _trouble(host, port, error) from error


def _trouble(host: str, port: int, error: OSError) -> NearfieldError:
    if error.errno == errno.EADDRINUSE:
        return Conflict(
            f"port {port} on {host} is in use by another program (or another Nearfield). "
            f"Start with --port 0 to have a free one picked, or name one, such as --port {_next_port(port)}",
            code="port-in-use",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return NearfieldError(
            f"port {port} needs more rights than this user has; choose one above 1023, such as --port 8080",
            code="port-forbidden",
        )
    return NearfieldError(
        f"cannot listen on {host}: {error.strerror or error}. --host takes an address of this machine, "
        "such as 127.0.0.1 or 0.0.0.0",
        code="bad-host",
    )


def _next_port(port: int) -> int:
    return port + 1 if port < 65535 else 8080


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def browser_url(host: str, port: int) -> str:
    """The URL to type on this machine: an address that stands for all of them becomes the loopback one."""
    shown = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
