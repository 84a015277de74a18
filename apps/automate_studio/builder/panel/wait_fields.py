"""The fields of a wait: a choice of what it waits for, and the fields of that alone.

A step has no field for the choice. It is told by what is set: an empty `until` or `form` is a choice without a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.utils.translation import gettext as _

from automate_authoring.drafts.insertion import initial_settings
from automate_authoring.drafts.values import StepNode
from automate_core.webhooks.schemes.registry import SCHEMES
from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec
from automate_studio.builder.panel.fields import HOSTED_FORM_COLUMNS, ON_TIMEOUT, SPAN

_K = FieldKind
CHOICE = "wait_for"  #: the name of the choice in a posted form
_KINDS = (
    ("duration", text("A duration")),
    ("date", text("A date and time")),
    ("callback", text("A callback")),
    ("form", text("A form")),
)
_ANSWERED = ("timeout", "on_timeout")
_FIELDS = {
    "duration": ("duration",),
    "date": ("until",),
    "callback": (*_ANSWERED, "scheme", "secret", "scheme_config"),
    "form": ("form", *_ANSWERED, "title", "introduction", "shown_to"),
}  #: by kind, the required ones first
_REQUIRED = {"duration", "until", "form", "timeout"}
_SPECS = (
    FieldSpec(name="duration", label=text("Duration"), help=SPAN),
    FieldSpec(name="until", label=text("Date and time"), kind=_K.DATETIME, help=text("In the workflow's time zone.")),
    FieldSpec(
        name="form",
        label=text("Form"),
        kind=_K.LIST,
        columns=HOSTED_FORM_COLUMNS,
        help=text("A page of fields for a person. The answers become the output."),
    ),
    FieldSpec(name="timeout", label=text("Wait at most"), help=SPAN),
    replace(ON_TIMEOUT, label=text("If nothing arrives"), shown=True),
    FieldSpec(name="title", label=text("Title of the page")),
    FieldSpec(name="introduction", label=text("Introduction of the page"), kind=_K.LONG_TEXT),
    FieldSpec(
        name="shown_to",
        label=text("Page is shown to"),
        kind=_K.CHOICE,
        default="submitter",
        choices=(
            ("submitter", text("The person who answered the form")),
            ("link", text("Only people with its link")),
        ),
    ),
    FieldSpec(
        name="scheme",
        label=text("Callback signature"),
        kind=_K.CHOICE,
        default="",
        help=text("The callback must also carry a valid signature."),
    ),
    FieldSpec(
        name="secret",
        label=text("Signing secret"),
        kind=_K.SECRET,
        help=text("A reference, for example database:stripe."),
    ),
    FieldSpec(
        name="scheme_config",
        label=text("Signature settings"),
        kind=_K.MAPPING,
        literal=True,
        help=text("Only for schemes with settings, for example header for HMAC."),
    ),
)


def wait_kind(settings: Mapping[str, Any]) -> str:
    """What the step waits for: `duration`, `date`, `callback` or `form`."""
    if settings.get("callback"):
        return "callback"
    return "form" if "form" in settings else "date" if "until" in settings else "duration"


def wait_specs(settings: Mapping[str, Any]) -> tuple[FieldSpec, ...]:
    """The choice, the fields of what is chosen, and others that are set, so that they can be emptied."""
    own = _FIELDS[wait_kind(settings)]
    choice = FieldSpec(
        name=CHOICE, label=text("Wait for"), kind=_K.CHOICE, choices=_KINDS, default=_KINDS[0][0], shown=True
    )
    specs = [replace(spec, required=spec.name in _REQUIRED and spec.name in own) for spec in _SPECS]
    return choice, *(_with_schemes(spec) for spec in specs if spec.name in own or spec.name in settings)


def _with_schemes(spec: FieldSpec) -> FieldSpec:
    """The spec; the signature's with the installed schemes that have a secret."""
    if spec.name != "scheme":
        return spec
    schemes = ((code, scheme.name) for code, scheme in SCHEMES.items() if scheme.has_secret)
    return replace(spec, choices=(("", text("None: the URL is enough")), *schemes))


def wait_values(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the fields."""
    return {**settings, CHOICE: wait_kind(settings)}


def complete_wait(node: StepNode, found: dict[str, Any], unset: list[str], errors: dict[str, str]) -> None:
    """Turn a posted choice into the fields of the step, and keep the choice where its value was emptied."""
    chosen = found.pop(CHOICE, None)
    if chosen is None:
        if "until" in unset and wait_kind(node.settings) == "date":
            unset.remove("until")
            found["until"] = ""
        return
    if chosen not in dict(_KINDS):
        errors[CHOICE] = _("Not saved: choose one of the options.")
        return
    own = _FIELDS[chosen]
    found |= {
        name: value
        for name, value in _initial_values(chosen).items()
        if name not in found and not node.settings.get(name)
    }
    others = {*(name for names in _FIELDS.values() for name in names), "callback"} - {*own, *found}
    unset += [name for name in node.settings if name in others and name not in unset]


def _initial_values(chosen: str) -> dict[str, Any]:
    return {"until": ""} if chosen == "date" else initial_settings("form_page" if chosen == "form" else chosen)


def callback_expression(node: StepNode | None) -> str:
    """The expression of the URL that answers the step, where an earlier step has to send it; else empty."""
    if node is None or node.kind != "wait":
        return ""
    kind = wait_kind(node.settings)
    is_sent = kind == "callback" or (kind == "form" and node.settings.get("shown_to") == "link")
    return f"{{{{ callbacks.{node.key} }}}}" if is_sent else ""
