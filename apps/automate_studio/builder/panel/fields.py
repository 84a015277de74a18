"""Fields of step kinds, triggers and the workflow; actions describe their inputs themselves."""

from __future__ import annotations

from typing import Any

from automate_core.webhooks.schemes.registry import SCHEMES
from automate_plugins.fields import FieldKind, FieldSpec
from automate_studio.builder.panel.forms import MISSING, FieldGroup

_K = FieldKind


def _choice(name: str, label: str, *choices: tuple[str, str]) -> FieldSpec:
    return FieldSpec(name=name, label=label, kind=_K.CHOICE, choices=choices, default=choices[0][0], shown=True)


_SPAN = "Seconds, or such as 15m or 2h 30m."
FORM_COLUMNS = (
    FieldSpec(name="name", label="Name", help="As expressions name it: lower case and underscores"),
    FieldSpec(name="label", label="Label"),
    FieldSpec(
        name="kind",
        label="Type",
        kind=_K.CHOICE,
        default="text",
        choices=(
            ("text", "Text"),
            ("long_text", "Long text"),
            ("number", "Number"),
            ("boolean", "Yes or no"),
            ("choice", "Choice"),
            ("date", "Date"),
        ),
    ),
    FieldSpec(name="choices", label="Choices", kind=_K.LIST, help="With commas between, for a choice"),
    FieldSpec(name="required", label="Required", kind=_K.BOOLEAN, default=False),
    FieldSpec(name="help", label="Help"),
)  #: the fields of a form that people fill in, edited as rows


def _failure_fields(value: Any) -> dict[str, Any]:
    """Failure handling after the last attempt, as fields."""
    if not isinstance(value, dict):
        return {}
    return {"then": "steps"} if "steps" in value else {"then": "value", "value": value.get("value")}


def _on_error_value(parts: dict[str, Any]) -> Any:
    match parts.get("then"):
        case "value":
            return {"value": parts.get("value")}
        case "steps":
            return {"steps": []}
    return MISSING


_ON_TIMEOUT = FieldGroup(
    name="on_timeout",
    label="When that time is over",
    parts=(
        FieldSpec(
            name="then",
            label="Then",
            kind=_K.CHOICE,
            default="fail",
            choices=(("fail", "The step fails"), ("steps", "Run steps in its place")),
        ),
    ),
    parts_of=lambda value: {} if value is None else {"then": "steps"},
    whole=lambda parts: [] if parts.get("then") == "steps" else MISSING,
)

_SIGNED = tuple((code, scheme.name) for code, scheme in SCHEMES.items() if scheme.signed)
STEP_FIELDS: dict[str, tuple[FieldSpec, ...]] = {
    "action": (FieldSpec(name="save_as", label="Keep the output as variable", help="vars.NAME in later steps."),),
    "branch": (_choice("match", "Take", ("first", "The first route that fits"), ("all", "All routes that fit")),),
    "parallel": (FieldSpec(name="limit", label="Tracks at once", kind=_K.INTEGER, default=10, shown=True),),
    "for_each": (
        FieldSpec(name="items", label="List", required=True, help="Such as {{ event.payload.items }}."),
        FieldSpec(name="concurrency", label="Items at once", kind=_K.INTEGER, default=1, shown=True),
        _choice(
            "on_item_error",
            "When an item fails",
            ("stop", "Stop there"),
            ("continue", "Go on, with nothing in its place"),
            ("collect", "Go on, with its error in its place"),
        ),
    ),
    "repeat": (
        FieldSpec(name="until", label="Until", kind=_K.JSON, required=True, help="A rule."),
        FieldSpec(name="maximum", label="At most so many times", kind=_K.INTEGER, required=True),
    ),
    "wait": (
        FieldSpec(name="duration", label="For so long", help=_SPAN, shown=True),
        FieldSpec(name="until", label="Until a time", kind=_K.DATETIME, help="By the workflow's clock.", shown=True),
        FieldSpec(name="callback", label="For a callback", kind=_K.BOOLEAN, default=False, shown=True),
        FieldSpec(name="timeout", label="Give up after", help=_SPAN),
        FieldSpec(
            name="scheme",
            label="Callback is signed by",
            kind=_K.CHOICE,
            default="",
            choices=(("", "No signature: the address is enough"), *_SIGNED),
            help="The callback must carry the sender's signature as well.",
        ),
        FieldSpec(name="secret", label="Signing secret", kind=_K.SECRET, help="A reference, such as database:stripe."),
        FieldSpec(
            name="scheme_config",
            label="Signature settings",
            kind=_K.MAPPING,
            literal=True,
            help="For schemes with settings, such as header for HMAC.",
        ),
        _ON_TIMEOUT,
    ),
    "approval": (
        FieldSpec(name="assignees", label="People", kind=_K.LIST, options="people", shown=True),
        FieldSpec(name="groups", label="Groups", kind=_K.LIST, options="groups", shown=True),
        FieldSpec(name="message", label="Message", kind=_K.LONG_TEXT, shown=True),
        FieldSpec(name="context", label="Facts", kind=_K.MAPPING, help="What they see of the run, by name."),
        FieldSpec(name="form", label="Form", kind=_K.LIST, columns=FORM_COLUMNS, help="What they fill in as well."),
        FieldSpec(
            name="excluded",
            label="May not decide",
            kind=_K.LIST,
            options="people",
            help="Such as who asks: {{ event.payload.employee }}.",
        ),
        FieldSpec(name="delegate", label="They may ask somebody else instead", kind=_K.BOOLEAN, default=False),
        FieldSpec(name="timeout", label="Due after", required=True, help=_SPAN),
        FieldSpec(name="remind_after", label="Remind after", help=_SPAN),
        _ON_TIMEOUT,
    ),
    "workflow": (
        FieldSpec(name="workflow", label="Workflow", required=True, options="workflows", help="Its short name."),
        FieldSpec(name="payload", label="Payload", kind=_K.MAPPING, shown=True),
        FieldSpec(name="wait", label="Wait for its end", kind=_K.BOOLEAN, default=True, shown=True),
    ),
    "try": (),
    "stop": (
        _choice("outcome", "The run has", ("succeeded", "Succeeded"), ("failed", "Failed")),
        FieldSpec(name="message", label="Message", kind=_K.LONG_TEXT, shown=True),
    ),
}
POLICY_FIELDS = (
    FieldGroup(
        name="retry",
        label="Tries",
        help="Half of each wait is random, so that what failed together does not come back together.",
        parts=(
            FieldSpec(name="attempts", label="Tries in all", kind=_K.INTEGER, default=1),
            FieldSpec(name="base", label="First wait, in seconds", kind=_K.NUMBER, default=2),
            FieldSpec(name="factor", label="Each further wait, times", kind=_K.NUMBER, default=2),
            FieldSpec(name="cap", label="No wait longer than, in seconds", kind=_K.NUMBER, default=900),
        ),
    ),
    FieldSpec(name="timeout", label="Seconds for each try", kind=_K.NUMBER),
    FieldGroup(
        name="on_error",
        label="When it failed for good",
        parts=(
            FieldSpec(
                name="then",
                label="Then",
                kind=_K.CHOICE,
                default="fail",
                choices=(
                    ("fail", "The run fails"),
                    ("value", "Go on with this value"),
                    ("steps", "Run steps in its place"),
                ),
            ),
            FieldSpec(name="value", label="Value", kind=_K.JSON, help="It becomes the step's output."),
        ),
        parts_of=_failure_fields,
        whole=_on_error_value,
    ),
    FieldSpec(
        name="at_most_once",
        label="Never repeat a try in doubt",
        kind=_K.BOOLEAN,
        default=False,
        help="When it is not known whether a try took effect, the step waits for a person.",
    ),
)
NOTES = FieldSpec(name="notes", label="Notes", kind=_K.LONG_TEXT)
NAME = FieldSpec(name="name", label="Name", shown=True)
SETTINGS_FIELDS = (
    FieldSpec(name="name", label="Name", required=True),
    FieldSpec(name="description", label="Description", kind=_K.LONG_TEXT),
    FieldSpec(name="tags", label="Tags", kind=_K.LIST),
    FieldSpec(name="timezone", label="Time zone", required=True, options="time_zones", help="Such as Europe/Berlin."),
    FieldSpec(name="priority", label="Priority", kind=_K.INTEGER, default=0, help="-10 to 10; more is sooner."),
    FieldSpec(name="vars", label="Variables", kind=_K.MAPPING),
    FieldSpec(
        name="subject",
        label="Subject line",
        help="Names each run in lists, such as {{ event.payload.order.no }}. Leave empty to guess it from the event.",
    ),
    FieldSpec(
        name="search_terms",
        label="Search terms",
        kind=_K.MAPPING,
        help="Runs are found by these values, such as order_no = {{ event.payload.order.no }}. Up to 10.",
    ),
    FieldGroup(
        name="concurrency",
        label="Runs at once",
        parts=(
            FieldSpec(name="limit", label="At most", kind=_K.INTEGER, help="Empty: as many as there are."),
            FieldSpec(name="key", label="Of each", help="An expression, such as {{ event.payload.customer }}."),
            FieldSpec(
                name="policy",
                label="A further one",
                kind=_K.CHOICE,
                default="queue",
                choices=(
                    ("queue", "Waits its turn"),
                    ("skip", "Is not run"),
                    ("cancel_older", "Takes the oldest one's place"),
                ),
            ),
        ),
        whole=lambda parts: parts if "limit" in parts else MISSING,
    ),
    FieldGroup(
        name="retention",
        label="Keep runs, in days",
        help="0 keeps them for ever. Empty: as the site does. Counts once it is published.",
        parts=(
            FieldSpec(name="succeeded", label="That succeeded", kind=_K.INTEGER),
            FieldSpec(name="failed", label="That failed", kind=_K.INTEGER),
            FieldSpec(name="cancelled", label="That were cancelled", kind=_K.INTEGER),
            FieldSpec(name="tests", label="Tests of the draft", kind=_K.INTEGER),
        ),
    ),
    FieldSpec(name="run_as", label="Runs as", required=True, options="run_as", help="A user name."),
)
