"""The fields of a connection's form for its sign-in, and which of them are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext

from automate_connectors.adapters.base import ConnectorAdapter
from automate_connectors.forms import PLAIN, SecretField
from automate_connectors.oauth.catalogue import (
    AUTHORIZATION_CODE,
    CLIENT_CREDENTIALS,
    GENERIC,
    GITHUB_APP,
    GRANTS,
    JWT_BEARER,
    providers,
)
from automate_connectors.oauth.setup import KEY_GRANTS, parameter_field
from automate_governance.texts import translated

#: Settings of `oauth` that are entered as they are, and those that are references to secrets.
OAUTH_TEXTS = (
    "provider", "grant", "client_id", "subject", "scopes", "authorize_url", "token_url", "secret_expires"
)  # fmt: skip
OAUTH_SECRETS = ("client_secret", "private_key")
_WITH_SECRET = (AUTHORIZATION_CODE, CLIENT_CREDENTIALS)


class GrantSelect(forms.Select):
    """The grants of a connection's form: of each provider only those that it offers, as its row says."""

    provider: str = ""

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return an option that depends on the chosen provider."""
        option = super().create_option(name, value, *args, **kwargs)
        offering = [code for code, row in providers().items() if value in row.grants]
        option["attrs"]["data-when"] = f"oauth_provider={'|'.join(offering)}"
        if self.provider and self.provider not in offering and not option["selected"]:
            option["attrs"] |= {"hidden": True, "disabled": True}
        return option


type Conditions = dict[str, tuple[tuple[str, tuple[str, ...]], ...]]


def sign_in_conditions() -> Conditions:
    """Return by field what has to be chosen elsewhere for it to be asked for: (field, values), all of which hold."""
    rows = providers()
    signs_in = ("oauth_provider", tuple(rows))
    generic = ("oauth_provider", (GENERIC,))
    conditions: Conditions = {
        "oauth_grant": (signs_in,),
        "oauth_client_id": (signs_in,),
        "oauth_client_secret": (signs_in, ("oauth_grant", _WITH_SECRET)),
        "oauth_secret_expires": (signs_in, ("oauth_grant", _WITH_SECRET)),
        "oauth_private_key": (signs_in, ("oauth_grant", tuple(sorted(KEY_GRANTS)))),
        "oauth_subject": (signs_in, ("oauth_grant", (JWT_BEARER,))),
        "oauth_scopes": (signs_in, ("oauth_grant", tuple(grant for grant in GRANTS if grant != GITHUB_APP))),
        "oauth_authorize_url": (generic, ("oauth_grant", (AUTHORIZATION_CODE,))),
        "oauth_token_url": (generic,),
    }
    for code, row in rows.items():
        conditions |= {parameter_field(code, name): (("oauth_provider", (code,)),) for name in row.parameters}
    return conditions


def is_asked(field: str, values: Mapping[str, Any]) -> bool:
    """Return whether a field is asked for, by the values of `oauth`."""
    chosen = {"provider": values.get("provider"), "grant": values.get("grant") or AUTHORIZATION_CODE}
    terms = sign_in_conditions().get(field, ())
    return all(chosen[name.removeprefix("oauth_")] in allowed for name, allowed in terms)


def read_parameters(provider: str, cleaned: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters of the provider's addresses that were entered."""
    row = providers().get(provider)
    entered = {name: cleaned.get(parameter_field(provider, name)) for name in row.parameters} if row else {}
    return {
        name: value.lower() if row and row.parameters[name].kind != "segment" else value
        for name, value in entered.items()
        if value
    }


def _scopes_help(adapter: ConnectorAdapter) -> str:
    for code, row in providers().items():
        if scopes := adapter.scopes_for(code):
            help_text = gettext("Leave empty for the usual scopes: at %(provider)s, a person grants %(scopes)s.")
            return help_text % {"provider": translated(row.name), "scopes": scopes}
    return gettext("Leave empty for the provider's default.")


def sign_in_fields(stands_in_for: str, adapter: ConnectorAdapter) -> dict[str, forms.Field]:
    """Return the fields; `stands_in_for` is the label of the setting that the access token replaces."""
    rows = providers()
    named = [(code, translated(row.name)) for code, row in rows.items()]
    plain: dict[str, Any] = {"required": False, "widget": forms.TextInput()}
    fields: dict[str, forms.Field] = {
        "oauth_provider": forms.ChoiceField(
            label=gettext("OAuth 2 sign-in"),
            choices=[("", gettext("No, use stored secrets")), *named],
            required=False,
            widget=forms.Select(),
            help_text=gettext("The access token replaces “%(field)s”.") % {"field": translated(stands_in_for)},
        ),
        "oauth_grant": forms.ChoiceField(
            label=gettext("Type of sign-in"),
            choices=[(code, translated(name)) for code, name in GRANTS.items()],
            required=False,
            widget=GrantSelect(),
        ),
    }
    for code, row in rows.items():
        for name, parameter in row.parameters.items():
            example = gettext("Example: %(example)s.") % {"example": parameter.example}
            fields[parameter_field(code, name)] = forms.CharField(
                label=translated(parameter.label), help_text=f"{translated(parameter.help)} {example}".strip(), **plain
            )
    return fields | {
        "oauth_client_id": forms.CharField(
            label=gettext("Client ID"),
            help_text=gettext("Issued by the provider. A JSON key file of a service account has its own."),
            **plain,
        ),
        "oauth_client_secret": SecretField(PLAIN, label=gettext("Client secret")),
        "oauth_secret_expires": forms.DateField(
            label=gettext("Client secret expires on"),
            help_text=gettext("Fill in if the provider names a date. The connection warns you a week before."),
            required=False,
            widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
            input_formats=["%Y-%m-%d"],
        ),
        "oauth_private_key": SecretField(
            PLAIN,
            label=gettext("Private key"),
            help_text=gettext("The PEM text, with the certificate if the provider wants one, or a JSON key file."),
        ),
        "oauth_subject": forms.CharField(
            label=gettext("Acts as"), help_text=gettext("The user that the service account acts as."), **plain
        ),
        "oauth_scopes": forms.CharField(label=gettext("Scopes"), help_text=_scopes_help(adapter), **plain),
        "oauth_authorize_url": forms.CharField(label=gettext("Authorization URL"), **plain),
        "oauth_token_url": forms.CharField(label=gettext("Token URL"), **plain),
    }
