"""Forms of triggers with plain fields: a manual start, a hosted form with its URL, and mail with its address."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict
from django.utils.html import escape

from automate_authoring.drafts.commands import DraftState
from automate_authoring.drafts.parsing import parse_trigger
from automate_authoring.drafts.values import TriggerNode
from automate_core.definition.document import FormTrigger
from automate_core.models import HostedForm, Workflow
from automate_core.triggers import forms, proof_of_work
from automate_governance.permissions import User
from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec
from automate_studio.builder.panel.fields import FORM_COLUMNS, HOSTED_FORM_COLUMNS
from automate_studio.builder.panel.forms import MISSING, build_field_view
from automate_studio.builder.panel.parsing import changed_fields
from automate_studio.builder.panel.setup import LABELS, TriggerFormView, build_trigger_form
from automate_studio.builder.triggers.mail_form import MAIL_FIELDS, mail_info

_K = FieldKind

SPECS: dict[str, tuple[FieldSpec, ...]] = {
    "manual": (
        FieldSpec(
            name="inputs",
            label=LABELS["manual"]["inputs"],
            kind=_K.LIST,
            columns=FORM_COLUMNS,
            help=text("Asked when someone runs the workflow. The answers become the payload."),
        ),
    ),
    "form": (
        FieldSpec(
            name="slug",
            label=text("Address"),
            required=True,
            help=text("The form is at /forms/ADDRESS/. Use lowercase letters, digits and hyphens."),
        ),
        FieldSpec(
            name="inputs",
            label=text("Fields"),
            kind=_K.LIST,
            columns=HOSTED_FORM_COLUMNS,
            help=text("The answers become the payload."),
            shown=True,
        ),
        FieldSpec(
            name="title",
            label=text("Title"),
            help=text("Leave empty to use the name of the workflow."),
            shown=True,
        ),
        FieldSpec(
            name="access",
            label=text("Who can answer"),
            kind=_K.CHOICE,
            shown=True,
            default="public",
            choices=(
                ("public", text("Everyone")),
                ("link", text("Everyone with the secret link")),
                ("signed_in", text("People who have signed in")),
            ),
        ),
        FieldSpec(
            name="link_number",
            label=text("Number of the secret link"),
            kind=_K.INTEGER,
            default=1,
            help=text("A higher number makes a new link. The old one stops working when you publish."),
        ),
        FieldSpec(name="introduction", label=text("Introduction"), kind=_K.LONG_TEXT),
        FieldSpec(
            name="confirmation",
            label=text("Confirmation"),
            kind=_K.LONG_TEXT,
            help=text("Shown after the last page."),
        ),
        FieldSpec(
            name="redirect",
            label=text("Redirect instead of a confirmation"),
            kind=_K.URL,
            help=text("An address on a host that AUTOMATE_FORM_REDIRECT_HOSTS allows."),
        ),
        FieldSpec(
            name="origins",
            label=text("Sites that embed the form"),
            kind=_K.LIST,
            help=text("Origins such as https://www.example.com. Other sites cannot show the form in a frame."),
        ),
        FieldSpec(
            name="closes_at",
            label=text("Closes at"),
            kind=_K.DATETIME,
            help=text("In the workflow's time zone. Leave empty to keep the form open."),
        ),
        FieldSpec(name="maximum_answers", label=text("Maximum answers"), kind=_K.INTEGER),
        FieldSpec(
            name="proof_of_work",
            label=text("Proof of work"),
            kind=_K.BOOLEAN,
            default=False,
            help=text(
                "The browser computes a proof for about a second. This makes mass submissions by programs expensive."
            ),
        ),
    ),
    "mail": MAIL_FIELDS,
}


@dataclass(frozen=True, kw_only=True)
class HostedFormInfo:
    """Where a form is found: its address, the code that embeds it, and the answers that it got."""

    url: str
    embed_code: str
    is_open: bool
    answers: int


def rows_form(state: DraftState, node: TriggerNode, user: User) -> TriggerFormView:
    """The form of a trigger in SPECS."""
    views = [
        build_field_view(spec, f"{node.key}.{spec.name}", node.config.get(spec.name, MISSING))
        for spec in SPECS[node.kind]
        if spec.name != "proof_of_work" or proof_of_work.is_installed() or node.config.get(spec.name)
    ]
    extra = {"info": _INFO[node.kind](state.workflow, node)} if node.kind in _INFO else {}
    return build_trigger_form(node, *views, **extra)


def changed_rows(node: TriggerNode, post: QueryDict) -> tuple[dict[str, Any], list[str], dict[str, str]]:
    """(set values, emptied fields, invalid fields) of a posted form of a trigger in SPECS."""
    prefix = f"{node.key}."
    found, unset, errors = changed_fields(SPECS[node.kind], node.config, post, prefix)
    return (
        {name.removeprefix(prefix): value for name, value in found.items()},
        [name.removeprefix(prefix) for name in unset],
        {name.removeprefix(prefix): error for name, error in errors.items()},
    )


def form_info(workflow: Workflow, node: TriggerNode) -> HostedFormInfo | None:
    """Where the form of a draft's trigger is found; None without an address, or where the site serves no forms."""
    trigger = parse_trigger(node.document())
    if not isinstance(trigger, FormTrigger) or not trigger.slug:
        return None
    key = forms.link_key(workflow.pk, trigger) if trigger.access == "link" else ""
    url = forms.form_url(trigger.slug, key)
    if not url:
        return None
    row = HostedForm.objects.filter(workflow=workflow, key=node.key, slug=trigger.slug).first()
    found = forms.find_form(trigger.slug) if row else None
    frame = f'<iframe src="{escape(url)}" title="{escape(trigger.title or workflow.name)}" width="100%" height="720">'
    return HostedFormInfo(
        url=url,
        embed_code=f"{frame}</iframe>" if trigger.origins else "",
        is_open=found is not None and not forms.closed_reason(found) and found.trigger.access == trigger.access,
        answers=row.answers if row else 0,
    )


_INFO: dict[str, Callable[[Workflow, TriggerNode], Any]] = {"form": form_info, "mail": mail_info}
