"""The colours of the picture, in light and in dark: each is told from its neighbours, and from the text on it."""

from __future__ import annotations

from collections.abc import Mapping

_CLIENTS = {
    "light": ("#2f6db0", "#b8611a", "#2f7d36", "#8450b5", "#14808c", "#b03a74", "#7d6608", "#5b6b7a"),
    "dark": ("#6aa7e8", "#eda35c", "#6cc274", "#bb92e8", "#58c5d1", "#ec8fbd", "#d6b440", "#9fb0c0"),
}
COUNT = len(_CLIENTS["light"])
"""How many clients have a colour of their own; then they begin again."""

_LIGHT = {
    "page": "#ffffff", "edge": "#d0d7de", "text": "#1f2328", "muted": "#59636e", "track": "#e6eaef", "weave": "#8c959f",
    "inside": "#ffffff", "fits": "#1a7f37", "over": "#cf222e", "unknown": "#8a5a00", "verdict": "#ffffff",
}  # fmt: skip
_DARK = {
    "page": "#0d1117", "edge": "#3d444d", "text": "#e6edf3", "muted": "#9da7b1", "track": "#262c36", "weave": "#7d8590",
    "inside": "#0d1117", "fits": "#3fb950", "over": "#ff7b72", "unknown": "#e3b341", "verdict": "#0d1117",
}  # fmt: skip


def _colours(scheme: Mapping[str, str], clients: tuple[str, ...]) -> str:
    rules = [
        f".page{{fill:{scheme['page']};stroke:{scheme['edge']}}}",
        f"text{{fill:{scheme['text']}}}",
        f".muted,.head,.small{{fill:{scheme['muted']}}}",
        f".track{{fill:{scheme['track']}}}",
        f".weave{{fill:{scheme['weave']}}}",
        f".rule,.branch{{stroke:{scheme['edge']}}}",
        f".limit{{stroke:{scheme['text']}}}",
        f".inside{{fill:{scheme['inside']}}}",
        f".verdict{{fill:{scheme['verdict']}}}",
        f".over-text{{fill:{scheme['over']}}}",
        *(f".{verdict}{{fill:{scheme[verdict]}}}" for verdict in ("fits", "over", "unknown")),
        *(f".c{index}{{fill:{colour}}}" for index, colour in enumerate(clients)),
    ]
    return "".join(rules)


STYLE = (
    'text{font:13px -apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",Arial,sans-serif}'
    ".title{font-size:21px;font-weight:600}.name,.number,.verdict{font-weight:600}.small,.head{font-size:11.5px}"
    ".inside{font-size:12px;font-weight:600}.middle{text-anchor:middle}.end{text-anchor:end}"
    ".rule,.branch{fill:none;stroke-width:1}.limit{stroke-width:1.5;stroke-dasharray:4 3}.perhaps{fill:url(#perhaps)}"
    + _colours(_LIGHT, _CLIENTS["light"])
    + "@media (prefers-color-scheme:dark){"
    + _colours(_DARK, _CLIENTS["dark"])
    + "}"
)
"""The style sheet: no variables, which only browsers know."""
