"""Form of a webhook endpoint, the same on its own page and in the builder."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from automate_core.admin import NAMING_TITLE, WebhookEndpointForm
from automate_core.webhooks.schemes import config_fields
from automate_core.webhooks.schemes.registry import SCHEMES
from automate_governance.texts import translated
from automate_ui.objects import form_view
from automate_ui.objects.form_view import build_sections

FOLDED = (NAMING_TITLE,)  #: sections that are closed at first


def form_conditions() -> form_view.Conditions:
    """The schemes for which each field is shown."""
    with_secret = tuple(code for code, scheme in SCHEMES.items() if scheme.has_secret)
    return {
        **config_fields.visibility_rules(),
        "secret": (("scheme", with_secret),),
        "overlap_hours": (("scheme", with_secret),),
    }


@dataclass(frozen=True, kw_only=True)
class SchemeNote:
    """A note shown while one scheme is chosen. `risk`: its deliveries are not signed."""

    condition: str
    text: str
    absent: bool
    risk: bool = False


def webhook_sections(form: WebhookEndpointForm) -> list[form_view.Section]:
    """Fields of a new webhook endpoint."""
    names = ("scheme", "slug", *config_fields.proof_fields(), "secret", "reply_seconds")
    groups = [("", names), (NAMING_TITLE, config_fields.naming_fields())]
    return build_sections(form, groups, conditions=form_conditions(), folded=FOLDED)


def scheme_notes(form: WebhookEndpointForm) -> list[SchemeNote]:
    """Where senders show their secret, and the risk of having none."""
    chosen = str(form["scheme"].value() or "")
    found = [
        SchemeNote(condition=f"scheme={code}", text=translated(scheme.shown_by), absent=code != chosen)
        for code, scheme in SCHEMES.items()
        if scheme.shown_by
    ]
    unsigned = "|".join(code for code, scheme in SCHEMES.items() if not scheme.signed)
    risk = _("Anyone who knows the URL can start workflows. Choose a signed sender if possible.")
    return [
        *found,
        SchemeNote(condition=f"scheme={unsigned}", text=risk, absent=chosen not in unsigned.split("|"), risk=True),
    ]
