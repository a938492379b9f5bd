"""Edits of the ports that a compose file publishes."""

from __future__ import annotations

from ..diagnostic import Edit
from ..patterns import lazy
from ..source import Span

_LOCAL = "127.0.0.1"
_SHORT = lazy(
    r"""(["']?)(?P<address>0\.0\.0\.0:)?"""
    r"""(?P<ports>(?:(?:\d+(?:-\d+)?|\$\{[A-Za-z_]\w*(?::?-\d+)?\}):)?\d+(?:-\d+)?(?:/tcp)?)\1"""
)
_ADDRESS = lazy(r"""\bhost_ip["']?[ \t]*:[ \t]*(["']?)(?P<address>[^\s"',}]+)\1""")
_FLOW = lazy(r"\{[^{}\n]*[^\s{},](?P<end>)[ \t]*\}")
_BLOCK = lazy(r"""(?P<first>[a-z_]+:[^\n]*)(?:\n[ \t]+[a-z_]+:[^\n]*)*?[ \t\r\n]*""")


def on_host_only(span: Span) -> Edit | None:
    """The edit that publishes the port at ``span`` to the host alone; None where an address is given, or how it is written is not plain."""
    text, source = span.text, span.source
    short = _SHORT.fullmatch(text)
    if short is not None:
        start = span.start + len(short[1])
        given = short["address"] or ""
        joint = ":" if ":" in short["ports"] else "::"  # the host picks a port
        return Edit(source.span(start, start + len(given)), f"{_LOCAL}{joint}")
    if "target" not in text or "mode:" in text or "#" in text:
        return None
    given_at = _ADDRESS.search(text)
    if given_at is not None:
        place = source.span(span.start + given_at.start("address"), span.start + given_at.end("address"))
        return Edit(place, _LOCAL) if place.text == "0.0.0.0" else None
    flow = _FLOW.fullmatch(text)
    if flow is not None:
        at = span.start + flow.start("end")
        return Edit(source.span(at, at), f", host_ip: {_LOCAL}")
    if _BLOCK.fullmatch(text) is None:
        return None
    at = span.start + len(text.rstrip())
    return Edit(source.span(at, at), f"\n{' ' * (span.place[1] - 1)}host_ip: {_LOCAL}")
