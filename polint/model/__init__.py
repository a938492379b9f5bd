"""The model: what settings mean and how files hang together.  It knows meaning and no syntax."""

from __future__ import annotations

SUBJECTS = {
    "server": "polint.model.server:Server",
    "pool": "polint.model.client:Pool",
    "pooler": "polint.model.pooler:Pooler",
    "fpm": "polint.model.client:Fpm",
    "connection": "polint.model.client:Connection",
    "variable": "polint.model.project:Variable",
    "change": "polint.model.statements:SystemChange",
    "session_count": "polint.model.statements:SessionCount",
    "session_kill": "polint.model.statements:SessionKill",
    "limit": "polint.model.statements:Limit",
    "problem": "polint.model.project:Problem",
    "duplicate": "polint.model.project:Duplicate",
}
"""The names rules may use after ``for:``, and the class each one stands for."""


def subject_class(name: str) -> type:
    """The class behind a subject's name."""
    module, _, attribute = SUBJECTS[name].partition(":")
    from importlib import import_module

    found = getattr(import_module(module), attribute)
    assert isinstance(found, type)
    return found
