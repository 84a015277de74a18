"""The installed signature schemes. docs/webhooks.md is the catalogue of the built-in ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from automate_core.models.events import WebhookEndpoint, endpoint_checks
from automate_core.webhooks.schemes.presets import GitHubScheme
from automate_core.webhooks.schemes.signing import SchemeError, SignatureScheme, verify_scheme
from automate_governance.texts import translated
from automate_plugins import text
from automate_plugins.registry import PluginNotFoundError, Registry

__all__ = ["GENERIC", "SCHEMES", "GitHubScheme", "SchemeError", "SignatureScheme", "scheme_for", "signature_schemes"]

GENERIC = ("hmac", "bearer", "basic", "unsigned")  #: for any sender, listed behind those that are known by name


signature_schemes: Registry[SignatureScheme] = Registry(
    "django_automate.signature_schemes",
    SignatureScheme,  # type: ignore[type-abstract]
    name_of=lambda entry, cls: cls.code,
    make=lambda cls: cls(dict(cls.example_config)),
    verify=verify_scheme,
)


class _Schemes(Mapping[str, type[SignatureScheme]]):
    """The classes of the usable schemes by their codes: senders by name first."""

    def __getitem__(self, code: str) -> type[SignatureScheme]:
        try:
            return type(signature_schemes.get(code))
        except PluginNotFoundError:
            raise KeyError(code) from None

    def __iter__(self) -> Iterator[str]:
        names = signature_schemes.names()
        return iter([*(name for name in names if name not in GENERIC), *(name for name in GENERIC if name in names)])

    def __len__(self) -> int:
        return len(signature_schemes.names())


SCHEMES: Mapping[str, type[SignatureScheme]] = _Schemes()


def scheme_for(code: str, config: Mapping[str, Any]) -> SignatureScheme:
    """The scheme of that code with that configuration. Raises SchemeError."""
    if code not in SCHEMES:
        raise SchemeError(
            text("Unknown scheme '%(code)s'. Available: %(codes)s.", code=str(code), codes=", ".join(SCHEMES)),
            field="scheme",
        )
    if not isinstance(config, dict):
        raise SchemeError(text("The configuration must be a mapping of names to values."))
    try:
        return SCHEMES[code](config)
    except SchemeError:
        raise
    except Exception as error:
        if signature_schemes.is_built_in(code):
            raise
        reason = f"{type(error).__name__}: {error}"
        raise SchemeError(text("The scheme %(code)s failed: %(reason)s", code=code, reason=reason)) from error


def check_endpoint(endpoint: WebhookEndpoint) -> None:
    """Check an endpoint's scheme, its configuration and that a secret is there. Raises ValidationError, by field."""
    try:
        scheme = scheme_for(endpoint.scheme, endpoint.config)
    except SchemeError as error:
        raise ValidationError({error.field: translated(str(error))}) from error
    if scheme.has_secret and not endpoint.secret:
        raise ValidationError({"secret": _("This scheme requires a secret. Only “unsigned” works without one.")})


endpoint_checks.append(check_endpoint)
