"""``--format mermaid``: a flowchart that forges draw from a fenced block; every label is text in quotes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..reporters import Style, clean
from . import Budget, Row, demand, rows, share

# the colours of the verdicts stand out on white and on black, with their own text on them
_CLASSES = (
    "classDef fits fill:#d7f0dd,stroke:#1a7f37,color:#12331c",
    "classDef over fill:#ffd8d3,stroke:#cf222e,color:#4c0d11",
    "classDef unknown fill:#fff1c2,stroke:#9a6700,color:#3d2b00",
    "classDef client fill:#dbe9fb,stroke:#3572b0,color:#10283f",
)
_SPECIAL = str.maketrans({char: f"#{ord(char)};" for char in '"#&<>`[]{}|\\;'})


def report(found: Sequence[Budget], style: Style) -> str:
    """One flowchart for all servers, clients on the left."""
    lines = ["flowchart LR"]
    for number, one in enumerate(found):
        lines += [f"  {line}" for line in _server(one, f"s{number}")]
    lines += [f"  {line}" for line in _CLASSES] if found else ['  none["no PostgreSQL server found"]']
    return "\n".join(lines) + "\n"


def _server(one: Budget, name: str) -> Iterator[str]:
    worst = one.worst
    percent = share(one, one.steady.at_least, one.steady.at_most).replace(" ", "\u00a0")
    said = [f"<b>{_text(one.name)}</b>", f"{demand(one, one.steady)} connections"]
    if worst is not one.steady:
        said.append(f"{worst.title}: {demand(one, worst)}")
    said.append(f"{worst.verdict}" + (f" ({percent})" if percent and worst is one.steady else ""))
    yield f'{name}[("{"<br/>".join(said)}")]:::{worst.verdict}'
    nodes: dict[int, str] = {}  # the last node of each depth
    for number, row in enumerate(rows(one.server)):
        node = f"{name}c{number}"
        nodes[row.depth] = node
        target = nodes[row.depth - 1] if row.depth else name
        shape = ("{{", "}}") if row.consumer.kind == "pgbouncer" else ("[", "]")
        label = f"<b>{_text(row.consumer.service)}</b><br/>{_text(row.consumer.kind)}<br/>{_product(row)}"
        arrow = "-. once .->" if row.consumer.once else f'-- "{row.total}" -->'
        yield f'{node}{shape[0]}"{label}"{shape[1]}:::{"unknown" if row.at_least is None or row.at_most is None else "client"}'
        yield f"{node} {arrow} {target}"


def _product(row: Row) -> str:
    return f"{' × '.join(row.factors)} = {row.total}"


def _text(text: str) -> str:
    """Characters that mean something to Mermaid or to HTML, as entity codes."""
    return clean(text).translate(_SPECIAL)
