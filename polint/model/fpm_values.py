"""What php-fpm takes as the value of a directive, and what it makes of it (php-src, sapi/fpm/fpm/fpm_conf.c; tried with php-fpm -tt)."""

from __future__ import annotations

from ..patterns import lazy

_NUMBERS = frozenset(
    """listen.backlog listen.setfib pm.max_children pm.start_servers pm.min_spare_servers pm.max_spare_servers pm.max_spawn_rate
    pm.max_requests process.priority process.max rlimit_files request_slowlog_trace_depth emergency_restart_threshold log_limit""".split()
)
_TIMES = frozenset(
    """pm.process_idle_timeout request_terminate_timeout request_slowlog_timeout emergency_restart_interval process_control_timeout
    systemd_interval""".split()
)
_FLAGS = frozenset(
    """clear_env catch_workers_output decorate_workers_output process.dumpable request_terminate_timeout_track_finished daemonize
    log_buffering php_flag php_admin_flag""".split()
)
_PATHS = {"pm.status_path": "status", "ping.path": "ping"}
_LEVELS = ("debug", "notice", "warning", "warn", "error", "alert")
_NUMBER = "is not a valid number (greater or equal than zero)"
_WORDED = lazy(r"([0-9]+) ?(secs?|seconds?|mins?|minutes?|hrs?|hours?|days?)")


def refusal(key: str, text: str) -> str:
    """Why php-fpm refuses ``text`` for a directive, in its own words; "" when it takes it.

    ``key`` is without its ``[...]``; ``text`` is what its own parser of the file hands on, so ``yes`` may come as ``1``.
    """
    if key in _NUMBERS:
        if not _is_number(text):
            return _NUMBER
        if key == "process.priority" and text and not -19 <= int(text) <= 20:
            return "process.priority must be included into [-19,20]"
        if key == "log_limit" and int(text or 0) < 512:
            return "log_limit must be greater than 512"
        if key == "process.max" and int(text or 0) < 0:
            return "process_max can't be negative"
    elif key == "rlimit_core":
        if text.lower() != "unlimited":
            if not _is_number(text):
                return _NUMBER
            if text.startswith("-"):
                return "must be greater than zero or 'unlimited'"
    elif key in _TIMES:
        if not text:
            return "invalid time value"
        if text[-1] not in "smhd0123456789":
            return "unknown suffix used in time value"
    elif key in _FLAGS:
        if text.lower() not in ("", "0", "1", "no", "off", "false", "none", "null", "yes", "on", "true"):
            return "invalid boolean value"
    elif key == "log_level":
        if text.lower() not in _LEVELS:
            return "invalid value for 'log_level'"
    elif key in _PATHS and text:
        return _path_refusal(_PATHS[key], text)
    return ""


def _is_number(text: str) -> bool:
    """An optional minus and digits, or nothing at all."""
    digits = text.removeprefix("-")
    return not digits or (digits.isascii() and digits.isdigit())


def _path_refusal(what: str, text: str) -> str:
    if not text.startswith("/"):
        return f"the {what} path '{text}' must start with a '/'"
    if len(text) < 2:
        return f"the {what} path '{text}' is not long enough"
    if not all(character.isascii() and (character.isalnum() or character in "/_-.~") for character in text):
        return f"the {what} path '{text}' must contain only the following characters '[alphanum]/_-.~'"
    return ""


def misreading(key: str, text: str) -> str:
    """What php-fpm makes of a time that says something else, such as ``30ms``, which it reads as 30 s; "" when it reads what is written.

    It drops the last letter and reads the digits in front, whatever follows them.
    """
    if key not in _TIMES or refusal(key, text):
        return ""
    unit = text[-1] if text[-1] in "smhd" else ""
    number = text.removesuffix(unit).strip()
    if _is_number(number) and number not in ("", "-"):
        return ""
    digits = ""
    for character in number.removeprefix("-"):
        if not character.isdigit():
            break
        digits += character
    sign = "-" if number.startswith("-") and digits else ""
    return f"{sign}{digits or '0'}{unit or 's'}"


def respelled(key: str, text: str) -> str:
    """A time whose unit is a word that php-fpm does not know (``30sec``, ``5 minutes``), in the unit that it does; "" for anything else."""
    found = _WORDED.fullmatch(text.lower()) if key in _TIMES else None
    return f"{found[1]}{found[2][0]}" if found is not None else ""
