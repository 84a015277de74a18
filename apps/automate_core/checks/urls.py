"""Checks of addresses: the site's URL, and the URLs of webhooks."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.http.request import validate_host
from django.urls import NoReverseMatch

from automate_governance.admin_site import reverse
from automate_plugins.documentation import doc

_LOCAL = {"localhost", "127.0.0.1", "::1"}
SHOWS_URLS = f"{doc('in-your-project')} shows urls.py."


def check_site_url(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E060: no AUTOMATE_SITE_URL. E061: it is no address. E062: ALLOWED_HOSTS refuses it. W060: it is not encrypted."""
    given = getattr(settings, "AUTOMATE_SITE_URL", None)
    hint = 'Set it to the address that people and senders use, such as "https://example.com".'
    if not given:
        return [Error("AUTOMATE_SITE_URL is not set.", hint=hint, id="automate_core.E060")]
    if not _is_address(given):
        message = f"AUTOMATE_SITE_URL must be a scheme and a host without a path, not {given!r}."
        return [Error(message, hint=hint, id="automate_core.E061")]
    parts = urlsplit(given)
    host = parts.hostname or ""
    found: list[CheckMessage] = []
    if not _is_allowed(host):
        message = f"ALLOWED_HOSTS does not allow {host}, the host of AUTOMATE_SITE_URL."
        found.append(Error(message, hint=f"Add {host!r} to ALLOWED_HOSTS.", id="automate_core.E062"))
    if parts.scheme == "http" and host not in _LOCAL and not settings.DEBUG:
        message = "AUTOMATE_SITE_URL is not encrypted: links and webhook secrets are sent in plain text."
        found.append(Warning(message, hint="Use an https:// address.", id="automate_core.W060"))
    return found


def _is_address(given: Any) -> bool:
    try:
        parts = urlsplit(given)
        return (
            parts.scheme in {"http", "https"} and bool(parts.hostname) and given == f"{parts.scheme}://{parts.netloc}"
        )
    except (AttributeError, TypeError, ValueError):
        return False


def _is_allowed(host: str) -> bool:
    """Like Django's rule, but without DEBUG's exception for this machine, which Django's test runner turns off."""
    return host in _LOCAL or validate_host(f"[{host}]" if ":" in host else host, settings.ALLOWED_HOSTS)


def check_urls(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E063: the URLs have no webhooks."""
    if find_path("automate:webhook", ["check"]):
        return []
    message = "The project's URLs do not include automate_core.urls."
    return [Error(message, hint=SHOWS_URLS, id="automate_core.E063")]


def find_path(view: str, args: list[str] | None = None) -> str:
    """The path of a view; empty where the project's URLs have none."""
    try:
        return reverse(view, args=args)
    except (NoReverseMatch, ImproperlyConfigured):  # the latter: the admin site cannot be imported
        return ""
