"""Checks of the middleware: what is missing, what is in the wrong order, and the content security policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.utils.csp import CSP
from django.utils.module_loading import import_string  # noqa: TID251 - names in the project's own settings

from automate_plugins.documentation import doc
from automate_ui.script_modules import import_map

SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
PEOPLE = "django.contrib.auth.middleware.AuthenticationMiddleware"
MESSAGES = "django.contrib.messages.middleware.MessageMiddleware"
HTMX = "django_htmx.middleware.HtmxMiddleware"
SIGN_IN = "automate_studio.middleware.SignInAgainMiddleware"
COMPRESS = "automate_studio.middleware.CompressBuilderMiddleware"
REDACT = "automate_governance.middleware.RedactAnswersMiddleware"
POLICY = "django.middleware.csp.ContentSecurityPolicyMiddleware"

_ORDER = ((SESSIONS, PEOPLE), (SESSIONS, MESSAGES), (COMPRESS, REDACT))  # the first before the second
_NEEDED = (SESSIONS, CSRF, PEOPLE, MESSAGES, HTMX, SIGN_IN, COMPRESS, REDACT)
_HINT = f"{doc('in-your-project')} shows the order."


def check_middleware(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E040: a middleware is missing."""
    return [
        Error(f"{name} is not in MIDDLEWARE.", hint=_HINT, id="automate_core.E040")
        for name in _NEEDED
        if not any(_is(given, name) for given in settings.MIDDLEWARE)
    ]


def check_order(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E041: two are in the wrong order. E042: the one that masks secrets is not the last."""
    given = list(settings.MIDDLEWARE)
    found: list[CheckMessage] = [
        Error(f"{after} is listed before {before}.", hint=_HINT, id="automate_core.E041")
        for before, after in _ORDER
        if before in given and after in given and given.index(after) < given.index(before)
    ]
    if REDACT in given and (behind := given[given.index(REDACT) + 1 :]):
        hint = "Put it last: otherwise secrets in compressed or changed responses are not masked."
        found.append(Error(f"{REDACT} is listed before {behind[0]}.", hint=hint, id="automate_core.E042"))
    return found


def check_content_policy(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E043: the project's content security policy blocks the admin's scripts or styles."""
    policy = getattr(settings, "SECURE_CSP", None) or {}
    if POLICY not in settings.MIDDLEWARE or not policy:
        return []
    lacking = [
        f"{value} in {directive}"
        for directive, value in (
            ("script-src", CSP.SELF), ("script-src", CSP.UNSAFE_EVAL), ("style-src", CSP.SELF),
            ("style-src", CSP.UNSAFE_INLINE), ("connect-src", CSP.SELF), ("form-action", CSP.SELF),
        )
        if not _allows(policy, directive, value)
    ]  # fmt: skip
    if _needs_nonce() and not any(_allows(policy, "script-src", value) for value in (CSP.NONCE, CSP.UNSAFE_INLINE)):
        lacking.append(f"{CSP.NONCE} in script-src, for the import map of hashed static files")
    if not lacking:
        return []
    hint = f"{doc('in-your-project')} prints a policy that fits, under Content security policy."
    return [Error(f"SECURE_CSP lacks {', '.join(lacking)}.", hint=hint, id="automate_core.E043")]


def check_policy_is_sent(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """W040, at `check --deploy`: no content security policy is sent."""
    if POLICY in settings.MIDDLEWARE and getattr(settings, "SECURE_CSP", None):
        return []
    hint = f"Add {POLICY} to MIDDLEWARE, and set SECURE_CSP."
    return [Warning("No content security policy is sent.", hint=hint, id="automate_core.W040")]


def _needs_nonce() -> bool:
    """Whether the pages render an inline import map, which a content security policy has to allow."""
    try:
        return bool(settings.STATIC_URL and import_map())
    except ValueError:  # a storage with a manifest, before collectstatic
        return True
    except ImproperlyConfigured:  # no page can be rendered: there is no such storage, or no STATIC_ROOT
        return False


def _allows(policy: Mapping[str, Any], directive: str, value: str) -> bool:
    """Whether a directive has that source. `form-action` has no fallback: without it everything is allowed."""
    sources = policy.get(directive, None if directive == "form-action" else policy.get("default-src"))
    return sources is None or value in sources or (value == CSP.SELF and "*" in sources)


def _is(given: str, needed: str) -> bool:
    """Whether a middleware is that one, or a class of the project's own that is based on it."""
    if given == needed:
        return True
    try:
        one, other = import_string(given), import_string(needed)
    except ImportError:
        return False  # the server reports it when it starts
    return isinstance(one, type) and isinstance(other, type) and issubclass(one, other)
