"""How much memory: the sizes Compose takes, and how many connections a server's memory has to do for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..fact import Fact
from ..units import Bytes

if TYPE_CHECKING:
    from .server import Server

_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}


def read_size(value: object) -> Bytes:
    """A size as Compose and Docker take it: ``512m``, ``1.5 GB``, ``64MiB``, in any case and all by 1024; a bare number is bytes.

    ValueError when it is none, and for 0 and less, which limit nothing (docker/go-units, RAMInBytes).
    """
    text = str(value).strip().lower()
    digits = text.rstrip("bikmgtp")
    unit = text[len(digits) :]
    unit = unit.removesuffix("ib" if len(unit) > 2 else "b") or unit
    try:
        size = Bytes(float(digits) * _UNITS[unit])
    except (ValueError, KeyError, OverflowError):
        raise ValueError(f"{text!r} is no size") from None
    if size <= 0:
        raise ValueError("0 limits nothing")
    return size


def planned_connections(server: Server) -> Fact[int]:
    """Connections that the server's memory has to do for.

    What its clients can open together, as far as that is known; max_connections where some client is of unknown
    size, and somebody chose both it and work_mem for this server.  Never more than max_connections.
    """
    stated = server.max_connections
    if stated.is_written and server.work_mem.is_written and not server.peak_connections.is_known:
        return stated.named("connections")
    known = server.known_connections
    if stated.is_known and known.value > stated.value:
        return stated.named("connections")
    return known
