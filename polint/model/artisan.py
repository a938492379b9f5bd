"""Laravel's command line: the artisan commands that a service runs."""

from __future__ import annotations

from ..patterns import lazy
from ..tuples import NamedTuple
from .project import Service

OCTANE = ("octane:start", "octane:frankenphp", "octane:swoole", "octane:roadrunner")
_LONG_RUNNING = (*OCTANE, "queue:work", "queue:listen", "horizon", "schedule:work", "reverb:start", "pulse:work", "pulse:check")
_CALL = lazy(r"artisan['\"]?,?\s+['\"]?(?:--?[\w-]+(?:=\S*)?\s+)*([a-z][\w:-]*)([^;&|]*)")
_ONE_JOB = lazy(r"--(?:once|stop-when-empty)\b")


class Call(NamedTuple):
    """One ``artisan`` command, such as ``queue:work``, with the text of its options."""

    name: str
    options: str

    @property
    def is_long_running(self) -> bool:
        """Whether its process goes on when a job or request is done."""
        return self.name in _LONG_RUNNING and not _ONE_JOB.search(self.options)


def calls(service: Service) -> list[Call]:
    """The artisan commands of a service, in order; an image whose entrypoint is artisan is given the command's name alone."""
    words = [text for text, _ in service.command]
    text = " ".join(words)
    found = [Call(*match.groups()) for match in _CALL.finditer(text)] if "artisan" in text else []
    for number, word in enumerate(words) if not found else ():
        if word in _LONG_RUNNING and (":" in word or number == 0):
            return [Call(word, " ".join(words[number + 1 :]))]
    return found


def may_answer(service: Service) -> bool:
    """Whether a service may answer requests by processes that end with them: not where all it runs is commands of another kind."""
    commands = calls(service)
    return not commands or any(call.name == "serve" for call in commands) or any("php-fpm" in text for text, _ in service.command)
