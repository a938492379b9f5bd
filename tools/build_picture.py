"""Rebuild docs/report.svg: what ``polint lint`` prints of an example, in its colours, as the README shows it.

``python tools/build_picture.py`` writes it; a test compares it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from shutil import copytree, ignore_patterns
from tempfile import TemporaryDirectory
from xml.sax.saxutils import escape

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

PICTURE = ROOT / "docs" / "report.svg"
EXAMPLE = ROOT / "examples" / "iss-tracker"
COMMAND = ("lint", "--select", "PO201,PO504,PO701")

COLUMN, LINE, MARGIN = 8.0, 19, 16
_CLASSES = {"1;31": "error", "1;33": "warning", "1;36": "info", "34": "gutter", "1": "bold", "2": "dim", "32": "good"}
_LIGHT = {
    "page": "#f6f8fa", "edge": "#d0d7de", "text": "#1f2328", "error": "#cf222e", "warning": "#9a6700", "info": "#1b7c83",
    "gutter": "#0969da", "dim": "#59636e", "good": "#1a7f37",
}  # fmt: skip
_DARK = {
    "page": "#0d1117", "edge": "#3d444d", "text": "#e6edf3", "error": "#ff7b72", "warning": "#e3b341", "info": "#56d4dd",
    "gutter": "#79c0ff", "dim": "#9da7b1", "good": "#3fb950",
}  # fmt: skip


def picture() -> str:
    """The picture of what the command prints now."""
    return drawn(f"$ polint {' '.join(COMMAND)}\n{printed(COMMAND)}")


def printed(arguments: tuple[str, ...]) -> str:
    """What polint prints in colour, run in a copy of the example."""
    from click.testing import CliRunner

    from polint.cli import cli

    with TemporaryDirectory() as folder:
        project = Path(folder) / "iss-tracker"
        copytree(EXAMPLE, project, ignore=ignore_patterns("expected.txt"))
        with chdir(project):
            result = CliRunner().invoke(cli, [*arguments, "--color", "always"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def drawn(text: str) -> str:
    """Text with colours as an SVG in which every character keeps its column, in light and in dark."""
    lines = [list(_runs(line)) for line in text.rstrip("\n").split("\n")]
    columns = max(sum(len(run) for run, _ in line) for line in lines)
    width, height = round(columns * COLUMN) + 2 * MARGIN, len(lines) * LINE + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">',
        "<title>What polint lint prints</title>",
        f"<style>{_style()}</style>",
        f'<rect class="page" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>',
    ]
    for number, line in enumerate(lines):
        y = MARGIN + number * LINE + 14
        column = 0
        for run, kind in line:
            blank = len(run) - len(run.lstrip())
            shown = run.strip()
            if shown:
                x = MARGIN + (column + blank) * COLUMN
                named = f' class="{kind}"' if kind else ""
                length = len(shown) * COLUMN
                parts.append(f'<text{named} x="{x:g}" y="{y}" textLength="{length:g}" xml:space="preserve">{escape(shown)}</text>')
            column += len(run)
    return "".join(f"{part}\n" for part in (*parts, "</svg>"))


def _runs(line: str) -> Iterator[tuple[str, str]]:
    """The pieces of one colour; a colour holds until the next code."""
    kind = ""
    for piece in re.split(r"(\x1b\[[0-9;]*m)", line):
        if piece.startswith("\x1b["):
            kind = _CLASSES.get(piece[2:-1], "")
        elif piece:
            yield piece, kind


def _style() -> str:
    font = 'text{font:13px ui-monospace,SFMono-Regular,"Cascadia Mono",Menlo,Consolas,"DejaVu Sans Mono","Liberation Mono",monospace}'
    bold = ".error,.warning,.info,.bold{font-weight:600}"
    return f"{font}{bold}{_colours(_LIGHT)}@media (prefers-color-scheme:dark){{{_colours(_DARK)}}}"


def _colours(scheme: dict[str, str]) -> str:
    page = f".page{{fill:{scheme['page']};stroke:{scheme['edge']}}}text{{fill:{scheme['text']}}}"
    return page + "".join(f".{kind}{{fill:{scheme[kind]}}}" for kind in ("error", "warning", "info", "gutter", "dim", "good"))


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
