"""A first polint.toml for a project: what polint found, and what only people can say, as comments where it would stand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from .budget import name_of, summary
from .fact import Fact, show
from .model.server import Consumer, Server

_UNITS = {"replicas": ("replica", "replicas"), "processes": ("process", "processes"), "pool": ("connection", "connections")}
_HEAD = """\
# What polint is told about this project; all of it is optional.  Commented lines show what could be said.

# Rules by code, code prefix, name or group: `polint rules` lists them, `polint rule CODE` explains one.
# ignore = ["PO514"]

# The least severity that fails a run: error, warning, info or never.
# fail-on = "warning"

# Files polint should not read, as in .gitignore.
# exclude = ["legacy/"]

# Rules not to report in some files.
# [per-file-ignores]
# "deploy/dev/**" = ["operations"]

# Another severity for a rule; off leaves it out.
# [severity]
# close-missing = "warning"

# Limits that rules have: `polint rule NAME` shows them.
# [params.acquire-timeout-out-of-range]
# longest = "10s"

# A PostgreSQL server that no compose file has, by the host name its clients use.
# [servers."db.example.com"]
# max-connections = 200
"""


def configuration(servers: Sequence[Server]) -> str:
    """The text of the file; ``servers`` are those that have a budget."""
    lines = [*_HEAD.splitlines(), ""]
    lines += _host(servers)
    lines += _budget(servers)
    lines += _unknown(servers)
    return "\n".join(lines).rstrip("\n") + "\n"


def _host(servers: Sequence[Server]) -> Iterator[str]:
    if servers:
        yield "# The machine the database runs on: no file says it, and rules about cores need it."
        yield from ("# [host]", "# cores = 4", '# memory = "8GB"', "")


def _budget(servers: Sequence[Server]) -> Iterator[str]:
    for server in servers:
        yield f"# {summary(server, name_of(server, servers))}"
        for consumer in _known(server.consumers):
            factors = " x ".join(
                f"{show(fact.value)} {_UNITS[word][fact.value != 1]}" for word, fact in _factors(consumer) if fact.is_known
            )
            yield f"#   {consumer.service} ({consumer.kind}): {factors}"
        yield ""


def _known(consumers: Iterable[Consumer]) -> list[Consumer]:
    return [consumer for consumer in consumers if consumer.at_least.is_known]


def _factors(consumer: Consumer) -> tuple[tuple[str, Fact[int]], ...]:
    return (("replicas", consumer.replicas), ("processes", consumer.processes), ("pool", consumer.pool))


def _unknown(servers: Sequence[Server]) -> Iterator[str]:
    asked: dict[str, tuple[Consumer, Server]] = {}
    for server in servers:
        for consumer in server.unknown_consumers:
            asked.setdefault(consumer.service, (consumer, server))
    if not asked:
        return
    yield "# Files do not tell how many connections these services open.  Say it, and the budget is complete:"
    for name, (consumer, _) in asked.items():
        yield ""
        bare = name.replace("-", "").replace("_", "").isalnum() and name.isascii()
        table = name if bare else '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
        yield f"# [services.{table}]"
        for word, fact in _factors(consumer):
            if not fact.is_known:
                yield f"# {word} = {5 if word == 'pool' else 1}  # unknown: {' '.join(fact.reason.split())}"
