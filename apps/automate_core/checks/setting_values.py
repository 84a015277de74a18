"""The check of values: each setting of ours with what it may be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error

from automate_core.conf import DEFAULTS
from automate_core.proxies import read_networks
from automate_plugins.documentation import doc

#: The schemes of web addresses, with their ports.
WEB_PORTS = {"http": 80, "https": 443}


class Rule(NamedTuple):
    """The valid values of a setting, in words and as a test."""

    wants: str
    holds: Callable[[Any], bool]


def _number(least: float, *, whole: bool = False) -> Rule:
    kinds = int if whole else (int, float)
    return Rule(
        f"a {'whole ' if whole else ''}number of {least:g} or more",
        lambda value: isinstance(value, kinds) and not isinstance(value, bool) and value >= least,
    )


def _days(least: int) -> Rule:
    """Days, where 0 stands for ever."""
    wants = f"0, or a whole number of {least} or more"
    return Rule(wants, lambda value: type(value) is int and (value == 0 or value >= least))


def _one_of(*values: Any) -> Rule:
    return Rule(" or ".join(map(repr, values)), lambda value: any(value is one or value == one for one in values))


def _are_names(value: Any) -> bool:
    return isinstance(value, list | tuple | set | frozenset) and all(isinstance(each, str) for each in value)


def _are_texts(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(each, str) for pair in value.items() for each in pair)


def _are_retention_days(value: Any) -> bool:
    known = DEFAULTS["AUTOMATE_RETENTION_DAYS"]
    return isinstance(value, Mapping) and all(
        name in known and type(days) is int and days >= 0 for name, days in value.items()
    )


def _are_networks(value: Any) -> bool:
    try:
        return _are_names(value) and read_networks(value) is not None
    except ValueError:
        return False


def is_web_url(url: str) -> bool:
    """Whether `url` is one of a web server."""
    try:
        parts = urlsplit(url)
        return parts.scheme in WEB_PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


_NETWORKS = Rule("a list of addresses, networks such as 10.0.0.0/8, and 'unix'", _are_networks)
_NAMES = Rule("a list of texts", _are_names)
_NAMES_OR_ALL = Rule("a list of names, or None for all", lambda value: value is None or _are_names(value))
_TEXT = Rule("a text", lambda value: isinstance(value, str))
_FOLDER = Rule("a path, or None", lambda value: value is None or isinstance(value, str | Path))
_MAPPING = Rule("a dict", lambda value: isinstance(value, Mapping))
_FLAG = Rule("True or False", lambda value: isinstance(value, bool))
_KEYS = Rule("a list of keys", lambda value: isinstance(value, str) or _are_names(value))
_PORTS = Rule("a list of ports", lambda value: isinstance(value, list | tuple | set | frozenset))
_ENDPOINT = Rule(
    "the URL of an OpenTelemetry collector, an empty text or None",
    lambda value: value is None or value == "" or (isinstance(value, str) and is_web_url(value)),
)
_HEADERS = Rule("a dict of texts, or None", lambda value: value is None or _are_texts(value))
_RETENTION = Rule(
    f"a dict of whole numbers of days by {', '.join(DEFAULTS['AUTOMATE_RETENTION_DAYS'])}", _are_retention_days
)

#: Every setting of ours. What a rule cannot judge by itself, such as names of models, its owner checks as well.
RULES: dict[str, Rule] = {
    "AUTOMATE_SITE_URL": _TEXT,
    "AUTOMATE_SECRETS_KEYS": _KEYS,
    "AUTOMATE_ADMIN_SITE": _TEXT,
    "AUTOMATE_PG_BIN": _TEXT,
    "AUTOMATE_KEY_FILES": _MAPPING,
    "AUTOMATE_VAULT": Rule("a dict, or None", lambda value: value is None or isinstance(value, Mapping)),
    "AUTOMATE_SECRETS_BACKENDS": _NAMES_OR_ALL,
    "AUTOMATE_PLUGINS": _NAMES,
    "AUTOMATE_CONNECTORS": _NAMES_OR_ALL,
    "AUTOMATE_OAUTH_PROVIDERS": Rule("the path of a TOML file", lambda value: isinstance(value, str | Path)),
    "AUTOMATE_CONNECTORS_DIR": _FOLDER,
    "AUTOMATE_LLM_PROVIDERS": _NAMES_OR_ALL,
    "AUTOMATE_EXPRESSION_FILTERS": _NAMES,
    "AUTOMATE_LLM_PRICES": _MAPPING,
    "AUTOMATE_TRUSTED_PROXIES": _NETWORKS,
    "AUTOMATE_SIGN_IN_TRIES": _number(1, whole=True),
    "AUTOMATE_SIGN_IN_TRIES_OF_ADDRESS": _number(1, whole=True),
    "AUTOMATE_REQUEST_BYTES": _number(0, whole=True),
    "AUTOMATE_REQUEST_SECONDS": _number(0),
    "AUTOMATE_ANONYMOUS_REQUESTS": _number(0, whole=True),
    "AUTOMATE_HOOK_BODY_BYTES": _number(1, whole=True),
    "AUTOMATE_FORM_RATE": _number(0),
    "AUTOMATE_FORM_TOTAL_RATE": _number(0),
    "AUTOMATE_FORM_SECONDS": _number(0),
    "AUTOMATE_FORM_FILE_BYTES": _number(0, whole=True),
    "AUTOMATE_FORM_REDIRECT_HOSTS": _NAMES,
    "AUTOMATE_RUN_CALLS": _number(0, whole=True),
    "AUTOMATE_MAIL_DOMAIN": _TEXT,
    "AUTOMATE_MAIL_BYTES": _number(1, whole=True),
    "AUTOMATE_MAIL_RATE": _number(0, whole=True),
    "AUTOMATE_MAIL_TRUSTED_HOSTS": _NAMES,
    "AUTOMATE_API_RATE": _number(0),
    "AUTOMATE_MCP_OAUTH": _FLAG,
    "AUTOMATE_MCP_TOOLS": _number(0, whole=True),
    "AUTOMATE_MCP_WAIT_SECONDS": _number(0),
    "AUTOMATE_HOOK_RATE": _number(0),
    "AUTOMATE_HOOK_FAILURE_RATE": _number(0),
    "AUTOMATE_HOOK_TALLY_SECONDS": _number(0),
    "AUTOMATE_REPLY_THREADS": _number(0, whole=True),
    "AUTOMATE_RETENTION_DAYS": _RETENTION,
    "AUTOMATE_DELIVERY_KEY_DAYS": _days(1),
    "AUTOMATE_PRUNE_HOURS": _number(0),
    "AUTOMATE_DOCUMENTS_STORAGE": _TEXT,
    "AUTOMATE_DOCUMENT_BYTES": _number(1, whole=True),
    "AUTOMATE_FILE_BYTES": _number(1, whole=True),
    "AUTOMATE_FILE_TYPES": _NAMES_OR_ALL,
    "AUTOMATE_REFUSED_DAYS": _days(1),
    "AUTOMATE_NOTIFICATION_DAYS": _days(1),
    "AUTOMATE_LLM_USAGE_DAYS": _days(62),
    "AUTOMATE_STATISTICS_DAYS": _days(62),
    "AUTOMATE_BACKUP_DAYS": _number(0, whole=True),
    "AUTOMATE_ENDPOINT_CACHE_SECONDS": _number(0),
    "AUTOMATE_EGRESS_ALLOW": _NAMES,
    "AUTOMATE_EGRESS_PORTS": _PORTS,
    "AUTOMATE_EGRESS_PROXY": Rule("an address, or an empty text", lambda value: value is None or _TEXT.holds(value)),
    "AUTOMATE_SQL_OWN_DATABASE": _FLAG,
    "AUTOMATE_OTLP_ENDPOINT": _ENDPOINT,
    "AUTOMATE_OTLP_HEADERS": _HEADERS,
    "AUTOMATE_OTLP_KEEP_HOURS": _number(1),
    "AUTOMATE_TRACEPARENT_HOSTS": _NAMES,
    "AUTOMATE_WORKER": _one_of("off", "managed"),
    "AUTOMATE_WORKER_CONCURRENCY": _number(1, whole=True),
    "AUTOMATE_POLL_THREADS": _number(0, whole=True),
    "AUTOMATE_POLL_RATE": _number(0, whole=True),
    "AUTOMATE_POOLS": _MAPPING,
    "AUTOMATE_CODE_VERSION": _TEXT,
    "AUTOMATE_WORKER_GRACE_SECONDS": _number(0),
    "AUTOMATE_LEASE_SECONDS": _number(1),
    "AUTOMATE_MAX_ATTEMPTS": _number(1, whole=True),
    "AUTOMATE_MODEL_TRIGGERS": _MAPPING,
    "AUTOMATE_EVENT_TYPES": _MAPPING,
    "AUTOMATE_MODELS": _MAPPING,
    "AUTOMATE_METRICS_TOKEN": _TEXT,
    "AUTOMATE_METRICS_NETWORKS": _NETWORKS,
    "AUTOMATE_METRICS_WORKFLOWS": _number(0, whole=True),
    "AUTOMATE_STEP_TIMEOUT_SECONDS": _number(0.001),
}


def check_values(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E080: the value of a setting of ours is of the wrong type, or out of its range."""
    given = {name: getattr(settings, name) for name in RULES if hasattr(settings, name)}
    return [
        Error(
            f"{name} must be {RULES[name].wants}.",
            hint=f"{doc('settings')} describes it.",
            id="automate_core.E080",
        )
        for name, value in given.items()
        if not RULES[name].holds(value)
    ]
