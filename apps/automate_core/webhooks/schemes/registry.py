"""The installed signature schemes. docs/webhooks.md is the catalogue of the built-in ones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from automate_core.models.events import WebhookEndpoint, endpoint_checks
from automate_core.webhooks.schemes.presets import GitHubScheme
from automate_core.webhooks.schemes.signing import SchemeError, SignatureScheme
from automate_governance.texts import translated
from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec
from automate_plugins.registry import PluginNotFoundError, Registry

__all__ = ["SCHEMES", "GitHubScheme", "SchemeError", "SignatureScheme", "scheme_for", "signature_schemes"]

MOST_CODE = 50  #: characters, as the column of an endpoint's scheme
_CODE = re.compile(r"[a-z][a-z0-9_-]*")
_TEXTS = ("code", "name", "proof", "key", "kind", "shown_by", "json_field")
_SWITCHES = ("signed", "has_secret", "can_sign", "may_block", "takes_cloudevents", "proves_body_alone")
_KINDS = (FieldKind.TEXT, FieldKind.CHOICE, FieldKind.INTEGER)  #: of fields that an endpoint's form can show
_LAST = ("hmac", "bearer", "basic", "unsigned")  #: behind the senders that are known by name


def _verify(scheme: SignatureScheme) -> None:
    """Raise TypeError for a scheme that the forms and the receivers cannot use."""
    for attributes, kind, article in ((_TEXTS, str, "text"), (_SWITCHES, bool, "True or False")):
        for name in attributes:
            if not isinstance(getattr(scheme, name, None), kind):
                raise TypeError(f"{name} must be {article}")
    if not _CODE.fullmatch(scheme.code) or len(scheme.code) > MOST_CODE:
        raise TypeError(f"code must be lower-case letters, digits, _ and -, at most {MOST_CODE}")
    for name in ("safe_headers", "json_types"):
        values = getattr(scheme, name)
        if not isinstance(values, tuple | list) or not all(isinstance(each, str) for each in values):
            raise TypeError(f"{name} must be a tuple of texts")
    fields = scheme.config_fields
    if not isinstance(fields, tuple | list) or not all(isinstance(each, FieldSpec) for each in fields):
        raise TypeError("config_fields must be a tuple of FieldSpec")
    if found := [field.name for field in fields if field.kind not in _KINDS]:
        raise TypeError(f"config_fields may be of the kinds TEXT, CHOICE and INTEGER, not {', '.join(found)}")


signature_schemes: Registry[SignatureScheme] = Registry(
    "django_automate.signature_schemes",
    SignatureScheme,  # type: ignore[type-abstract]
    name_of=lambda entry, cls: cls.code,
    make=lambda cls: cls(dict(cls.example_config)),
    verify=_verify,
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
        return iter([*(name for name in names if name not in _LAST), *(name for name in _LAST if name in names)])

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
