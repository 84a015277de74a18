"""Form of a notification rule."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any, cast
from zoneinfo import available_timezones

from django import forms
from django.utils.functional import lazy
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from automate_connectors.models import Connection
from automate_connectors.number_fields import IntegerField
from automate_core.expressions.durations import parse_duration
from automate_core.models import NotificationRule
from automate_governance.models import StoredSecret
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import Person, permitted
from automate_governance.texts import translated
from automate_operations.notifications.channels.contract import ChannelPlugin
from automate_operations.notifications.channels.registry import channels
from automate_operations.notifications.rule_values import RuleValues
from automate_operations.notifications.texts import format_duration
from automate_plugins.fields import FieldKind, FieldSpec
from automate_ui.fields import FormFieldView, build_form_field

_Kind, _Channel = NotificationRule.Kind, NotificationRule.Channel
_SEPARATOR = "__"  #: between the code of a channel and the name of its setting
_SEPARATORS = re.compile(r"[\s,;]+")

_SPAN_LABEL = lazy(format_html, str)(
    '<span class="on-failures">{}</span> <span class="on-not_run on-waiting">{}</span>',
    _("Time window"),
    _("Time limit"),
)


class SpanField(forms.CharField):
    """A duration such as 15m or 2h 30m."""

    def clean(self, value: Any) -> Any:
        """The timedelta, or None. Raises ValidationError."""
        text = super().clean(value)
        if not text:
            return None
        try:
            return dt.timedelta(seconds=parse_duration(text))
        except ValueError:
            raise forms.ValidationError(gettext("Enter a time such as 15m, 2h or 3d.")) from None

    def prepare_value(self, value: Any) -> Any:
        """The duration as text."""
        return span_text(value) if isinstance(value, dt.timedelta) else value


class NamesField(forms.CharField):
    """Names, separated by commas or lines."""

    def clean(self, value: Any) -> Any:
        """The names, without repetitions."""
        text = super().clean(value)
        return list(dict.fromkeys(filter(None, _SEPARATORS.split(text))))

    def prepare_value(self, value: Any) -> Any:
        """The names as text."""
        return ", ".join(value) if isinstance(value, list) else value


def _time_zones() -> list[tuple[str, str]]:
    return [(zone, zone) for zone in sorted(available_timezones())]


class RuleForm(forms.Form):
    """One rule. Fields that its trigger or channel does not use are left out."""

    kind = forms.ChoiceField(label=_("Notify when"), choices=_Kind.choices)
    failures = IntegerField(
        label=_("Number of failures"),
        required=False,
        min_value=2,
        max_value=1_000,
        initial=3,
        help_text=_("Per workflow."),
    )
    intervals = IntegerField(
        label=_("Number of intervals"),
        required=False,
        min_value=2,
        max_value=1_000,
        initial=3,
        help_text=_("For a poll: intervals since its last success. For a service webhook: failures in a row."),
    )
    span = SpanField(label=_SPAN_LABEL, required=False, help_text=_("For example 15m, 2h or 3d."))
    channel = forms.ChoiceField(label=_("Channel"))
    to_owner = forms.BooleanField(label=_("The owner of the workflow"), required=False)
    people = NamesField(
        label=_("People"), required=False, max_length=2_000, help_text=_("Usernames, separated by commas.")
    )
    addresses = NamesField(
        label=_("Email addresses"), required=False, max_length=4_000, help_text=_("Separate with commas.")
    )
    connection = forms.ChoiceField(label=_("Slack connection"), required=False)
    room = forms.CharField(
        label=_("Slack channel"), required=False, max_length=100, help_text=_("For example #alerts.")
    )
    url = forms.CharField(
        label=_("URL"), required=False, max_length=500, help_text=_("Receives a signed POST request with JSON.")
    )
    secret = forms.ChoiceField(
        label=_("Signing secret"),
        required=False,
        help_text=_("Signed as in Standard Webhooks. The secret starts with whsec_."),
    )
    window = SpanField(
        label=_("Minimum time between messages"),
        max_length=20,
        help_text=_("Later incidents are collected into the next message."),
    )
    quiet_from = forms.TimeField(
        label=_("Quiet hours from"), required=False, widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    quiet_until = forms.TimeField(
        label=_("Quiet hours until"), required=False, widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    timezone = forms.ChoiceField(label=_("Time zone"), choices=_time_zones)
    is_on = forms.BooleanField(label=_("Turned on"), required=False)

    def __init__(self, *args: Any, person: Person, rule: NotificationRule | None, **options: Any) -> None:
        super().__init__(*args, **options)
        slack = permitted(person, "use", Connection.objects.filter(connector="slack")).order_by("name")
        connections: list[tuple[str, str]] = list(slack.values_list("slug", "name"))
        secrets = permitted(person, "use", StoredSecret.objects.all()).order_by("name").values_list("name", flat=True)
        usable = [(f"database:{name}", name) for name in secrets]
        present = rule.secret if rule else ""
        keep = [("", gettext("New secret, shown once"))]
        if present:
            keep = [("", gettext("%(name)s (current)") % {"name": present.partition(":")[2]})]
        self._choose("connection", [("", gettext("Choose")), *connections])
        self._choose("secret", [*keep, *usable])
        self._choose("channel", [(code, translated(each.name)) for code, each in installed_channels().items()])
        config = rule.config if rule else {}
        for name, spec in config_fields():
            self.fields[name] = _build_config_field(spec, config.get(spec.name), usable)
        if rule is not None and rule.built_in:
            for name in ("kind", "channel"):
                self.fields[name].disabled = True

    def values(self) -> RuleValues:
        """Values of a valid form."""
        given = dict(self.cleaned_data)
        intervals = given.pop("intervals", None)
        if given["kind"] == _Kind.NOT_POLLED:
            given["failures"] = intervals
        kind, channel = given["kind"], given["channel"]
        own = _own_prefix(channel)
        measured = {_Kind.FAILURES: {"failures", "span"}, _Kind.NOT_RUN: {"span"}, _Kind.WAITING: {"span"}}
        measured[_Kind.NOT_POLLED] = {"failures"}
        wanted = {"kind", "channel", "window", "quiet_from", "quiet_until", "timezone", "is_on"}
        wanted |= measured.get(kind, set()) | installed_channels()[channel].rule_fields
        config = {name.removeprefix(own): value for name, value in given.items() if name.startswith(own)}
        return RuleValues(
            **{name: value for name, value in given.items() if name in wanted},
            config={name: value for name, value in config.items() if value not in (None, "")},
        )

    def refuse(self, errors: dict[str, str]) -> None:
        """Show errors at the fields."""
        own = _own_prefix(self.cleaned_data.get("channel", ""))
        for name, text in errors.items():
            self.add_error(next((each for each in (f"{own}{name}", name) if each in self.fields), None), text)

    def config_views(self) -> list[FormFieldView]:
        """The settings of the channels of plug-ins, each shown while its channel is chosen."""
        chosen = str(self["channel"].value() or "")
        codes = {name: name.partition(_SEPARATOR)[0] for name, _spec in config_fields()}
        return [
            build_form_field(self[name], condition=f"channel={code}", absent=code != chosen)
            for name, code in codes.items()
        ]

    def _choose(self, name: str, choices: list[tuple[str, str]]) -> None:
        cast(forms.ChoiceField, self.fields[name]).choices = choices


def installed_channels() -> dict[str, ChannelPlugin]:
    """The usable channels by code: the built-in ones first."""
    names = channels.names()
    built_in = [code for code in _Channel.values if code in names]
    return {code: channels.get(code) for code in (*built_in, *(code for code in names if code not in built_in))}


def config_fields() -> Iterator[tuple[str, FieldSpec]]:
    """The settings of channels, by the name of their form field."""
    for code, channel in installed_channels().items():
        for spec in channel.config_fields:
            yield f"{_own_prefix(code)}{spec.name}", spec


def _own_prefix(code: str) -> str:
    return f"{code}{_SEPARATOR}"


def _build_config_field(spec: FieldSpec, present: Any, secrets: list[tuple[str, str]]) -> forms.Field:
    options: dict[str, Any] = {
        "label": translated(spec.label or spec.name),
        "required": False,  # the channel says what is missing
        "help_text": translated(spec.help),
        "initial": spec.default if present is None else present,
    }
    match spec.kind:
        case FieldKind.SECRET:
            known = {reference for reference, _name in secrets}
            kept = [(present, present.partition(":")[2])] if present and present not in known else []
            return forms.ChoiceField(choices=[("", gettext("Choose")), *kept, *secrets], **options)
        case FieldKind.CHOICE:
            choices = [(value, translated(label)) for value, label in spec.choices]
            return forms.ChoiceField(choices=[("", gettext("Choose")), *choices], **options)
        case FieldKind.INTEGER:
            return IntegerField(**options)
        case FieldKind.LONG_TEXT:
            return forms.CharField(max_length=4_000, widget=forms.Textarea({"rows": 4}), **options)
    return forms.CharField(max_length=500, **options)


def initial_values(rule: NotificationRule | None, timezone: str) -> dict[str, Any]:
    """Initial values of the form."""
    if rule is None:
        return {"is_on": True, "to_owner": True, "window": dt.timedelta(minutes=15), "timezone": timezone}
    names = ("kind", "channel", "failures", "span", "to_owner", "addresses", "connection", "room", "url", "window")
    shown = {name: getattr(rule, name) for name in (*names, "quiet_from", "quiet_until", "timezone", "is_on")}
    shown["intervals"] = rule.failures
    return {**shown, "people": [sign_in_name(person) for person in rule.people.all()]}


def span_text(span: dt.timedelta) -> str:
    """A duration as text: `15m`, `2h 30m`."""
    return re.sub(r" (days?|h|min|s)", lambda unit: unit[1][0], format_duration(span))
