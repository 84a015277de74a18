"""Checks of `check --deploy`: settings that suit a local machine, and not a site that others reach."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning

from automate_core.conf import setting
from automate_core.proxies import read_networks

_LIMITS = (
    "AUTOMATE_HOOK_RATE", "AUTOMATE_HOOK_FAILURE_RATE", "AUTOMATE_API_RATE", "AUTOMATE_FORM_RATE",
    "AUTOMATE_FORM_TOTAL_RATE", "AUTOMATE_MAIL_RATE", "AUTOMATE_REQUEST_SECONDS",
)  # fmt: skip
_FOREVER = ("succeeded", "cancelled", "tests", "unmatched")


def check_deployment(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E095, E096, W095 to W098: who is trusted, and what is unlimited, once others reach the site."""
    return [*_proxies(), *_faults(), *_limits(), *_retention(), *_own_database()]


def _proxies() -> Iterator[CheckMessage]:
    try:
        given = list(setting("AUTOMATE_TRUSTED_PROXIES"))
        networks = read_networks(given)
    except (TypeError, ValueError, AttributeError):
        return  # E080 names it
    if everyone := sorted(str(network) for network in networks if network.prefixlen == 0):
        hint = "List the addresses of your own proxies, such as 10.0.0.0/8."
        message = f"AUTOMATE_TRUSTED_PROXIES contains {everyone[0]}: every sender can choose its own address."
        yield Error(message, hint=hint, id="automate_core.E095")
    url = getattr(settings, "AUTOMATE_SITE_URL", "")
    if not given and isinstance(url, str) and urlsplit(url).scheme == "https":
        hint = "List the addresses from which your proxy connects. Silence this check if your server itself does TLS."
        message = "AUTOMATE_TRUSTED_PROXIES is empty: behind a proxy, all senders share its address and its limits."
        yield Warning(message, hint=hint, id="automate_core.W095")


def _faults() -> Iterator[CheckMessage]:
    if os.environ.get("AUTOMATE_FAULTS"):
        hint = "Remove AUTOMATE_FAULTS from the environment of the web servers and workers."
        message = "AUTOMATE_FAULTS is set: processes will die or hang at the points that it names."
        yield Error(message, hint=hint, id="automate_core.E096")


def _limits() -> Iterator[CheckMessage]:
    if unlimited := [name for name in _LIMITS if setting(name) == 0]:
        hint = "Remove the setting to get its default, or set a limit. 0 means no limit."
        yield Warning(f"There is no limit: {', '.join(unlimited)}.", hint=hint, id="automate_core.W096")


def _retention() -> Iterator[CheckMessage]:
    days = setting("AUTOMATE_RETENTION_DAYS")
    if isinstance(days, dict) and (kept := [name for name in _FOREVER if days.get(name) == 0]):
        hint = "Set a number of days. Runs that must stay can be pinned."
        message = f"AUTOMATE_RETENTION_DAYS keeps data forever, and the database grows: {', '.join(kept)}."
        yield Warning(message, hint=hint, id="automate_core.W097")


def _own_database() -> Iterator[CheckMessage]:
    if getattr(settings, "AUTOMATE_SQL_OWN_DATABASE", False) is True:
        hint = "Give SQL connections a role of their own, and remove AUTOMATE_SQL_OWN_DATABASE."
        message = "AUTOMATE_SQL_OWN_DATABASE is on: SQL steps can read and change Automate's own tables."
        yield Warning(message, hint=hint, id="automate_core.W098")
