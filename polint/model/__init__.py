"""The model: what settings mean and how files hang together.  It knows meaning and no syntax."""

from __future__ import annotations

SUBJECTS = {
    "server": "polint.model.server:Server",
    "pool": "polint.model.client:Pool",
    "pooler": "polint.model.pooler:Pooler",
    "fpm": "polint.model.client:Fpm",
    "connection": "polint.model.connection:Connection",
    "query_log": "polint.model.laravel:QueryLog",
    "worker": "polint.model.laravel:Worker",
    "container": "polint.model.container:Container",
    "login": "polint.model.logins:Login",
    "password": "polint.model.passwords:Password",
    "entrance": "polint.model.entrances:Entrance",
    "session_use": "polint.model.sessions:SessionUse",
    "misreading": "polint.model.misreadings:Misreading",
    "reference": "polint.model.references:Reference",
    "metric": "polint.model.monitoring:Metric",
    "monitoring": "polint.model.monitoring:Monitoring",
    "variable": "polint.model.project:Variable",
    "change": "polint.model.statements:SystemChange",
    "session_count": "polint.model.statements:SessionCount",
    "session_kill": "polint.model.statements:SessionKill",
    "limit": "polint.model.statements:Limit",
    "setting": "polint.model.statements:ServerSetting",
    "ladder": "polint.model.ladders:Ladder",
    "leak": "polint.model.usage:Leak",
    "hold": "polint.model.usage:Hold",
    "nesting": "polint.model.usage:Nesting",
    "sharing": "polint.model.usage:Sharing",
    "difference": "polint.model.usage:Difference",
    "rebuild": "polint.model.usage:Rebuild",
    "problem": "polint.model.project:Problem",
    "duplicate": "polint.model.project:Duplicate",
    "suppression": "polint.model.accepted:Suppression",
    "baseline_entry": "polint.model.accepted:BaselineEntry",
}
"""The names rules may use after ``for:``, and the class each one stands for."""

LATE = ("suppression", "baseline_entry")
"""Those that exist only once the rules for all others have run."""


def subject_class(name: str) -> type:
    """The class behind a subject's name."""
    module, _, attribute = SUBJECTS[name].partition(":")
    from importlib import import_module

    found = getattr(import_module(module), attribute)
    assert isinstance(found, type)
    return found
