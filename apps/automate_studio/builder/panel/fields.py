"""Fields of step kinds and the workflow; actions describe their inputs themselves, and those of a wait depend on it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from automate_core.definition.reply_rules import CONTENT_TYPES
from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec
from automate_studio.builder.panel.forms import MISSING, FieldGroup

_K = FieldKind


def _choice(name: str, label: str, *choices: tuple[str, str]) -> FieldSpec:
    return FieldSpec(name=name, label=label, kind=_K.CHOICE, choices=choices, default=choices[0][0], shown=True)


SPAN = text("In seconds, or for example 15m, 2h 30m or 2d.")
FORM_COLUMNS = (
    FieldSpec(name="label", label=text("Label")),
    FieldSpec(
        name="name",
        label=text("Name in expressions"),
        help=text("Follows the label until you edit it: lowercase letters, digits and underscores."),
    ),
    FieldSpec(
        name="kind",
        label=text("Type"),
        kind=_K.CHOICE,
        default="text",
        choices=(
            ("text", text("Text")),
            ("long_text", text("Long text")),
            ("number", text("Number")),
            ("boolean", text("Yes or no")),
            ("choice", text("Choice")),
            ("date", text("Date")),
        ),
    ),
    FieldSpec(name="choices", label=text("Choices"), kind=_K.LIST, help=text("Separate with commas.")),
    FieldSpec(name="required", label=text("Required"), kind=_K.BOOLEAN, default=False),
    FieldSpec(name="default", label=text("Value to start with"), help=text("A value, or an expression in a step.")),
    FieldSpec(name="help", label=text("Help text")),
)  #: the fields of a form that people fill in, edited as rows
HOSTED_FORM_COLUMNS = (
    *(
        replace(
            column,
            choices=(
                *column.choices,
                ("choices", text("Several choices")),
                ("email", text("Email")),
                ("file", text("File")),
                ("consent", text("Consent")),
            ),
        )
        if column.name == "kind"
        else column
        for column in FORM_COLUMNS
    ),
    FieldSpec(name="minimum", label=text("Minimum"), kind=_K.NUMBER, help=text("Value, characters or choices.")),
    FieldSpec(
        name="maximum", label=text("Maximum"), kind=_K.NUMBER, help=text("Value, characters, choices or megabytes.")
    ),
    FieldSpec(name="accept", label=text("File types"), kind=_K.LIST, help=text("For example .pdf, image/*.")),
)  #: the fields of a hosted form


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


def _agents_value(parts: dict[str, Any]) -> Any:
    """The tool for agents; while it is off, its texts are kept."""
    texts = {name: value for name, value in parts.items() if name != "enabled"}
    if parts.get("enabled") is True:
        return texts
    return {"enabled": False, **texts} if texts else MISSING


ON_TIMEOUT = FieldGroup(
    name="on_timeout",
    label=text("If the deadline passes"),
    help=text("After other steps the run continues, also when there are none. To end it there, add Stop."),
    parts=(
        FieldSpec(
            name="then",
            label=text("Action"),
            kind=_K.CHOICE,
            default="fail",
            choices=(("fail", text("Fail the step")), ("steps", text("Run other steps"))),
        ),
    ),
    parts_of=lambda value: {} if value is None else {"then": "steps"},
    whole=lambda parts: [] if parts.get("then") == "steps" else MISSING,
)

JSON_LIST = "json-list"  #: the language of a text that is an expression, or a list as JSON

STEP_FIELDS: dict[str, tuple[FieldSpec, ...]] = {
    "action": (
        FieldSpec(name="save_as", label=text("Save output as variable"), help=text("Later steps use it as vars.NAME.")),
    ),
    "branch": (
        _choice(
            "match",
            text("Routes to run"),
            ("first", text("The first matching route")),
            ("all", text("All matching routes")),
        ),
    ),
    "parallel": (
        FieldSpec(name="limit", label=text("Maximum branches at once"), kind=_K.INTEGER, default=10, shown=True),
    ),
    "for_each": (
        FieldSpec(
            name="items",
            label=text("List"),
            language=JSON_LIST,
            required=True,
            help=text("For example {{ event.payload.items }}, or a JSON list."),
        ),
        FieldSpec(name="concurrency", label=text("Maximum items at once"), kind=_K.INTEGER, default=1, shown=True),
        _choice(
            "on_item_error",
            text("If an item fails"),
            ("stop", text("Stop the loop")),
            ("continue", text("Continue and leave the item empty")),
            ("collect", text("Continue and keep the error as the item")),
        ),
    ),
    "repeat": (
        FieldSpec(name="until", label=text("Until"), kind=_K.JSON, required=True, help=text("A condition.")),
        FieldSpec(name="maximum", label=text("Maximum repetitions"), kind=_K.INTEGER, required=True),
    ),
    "approval": (
        FieldSpec(name="assignees", label=text("People"), kind=_K.LIST, options="people", shown=True),
        FieldSpec(name="groups", label=text("Groups"), kind=_K.LIST, options="groups", shown=True),
        FieldSpec(name="message", label=text("Message"), kind=_K.LONG_TEXT, shown=True),
        FieldSpec(name="context", label=text("Details"), kind=_K.MAPPING, help=text("Shown to the approver, by name.")),
        FieldSpec(
            name="form",
            label=text("Form"),
            kind=_K.LIST,
            columns=FORM_COLUMNS,
            help=text("Questions for the approver."),
        ),
        FieldSpec(
            name="excluded",
            label=text("Cannot approve"),
            kind=_K.LIST,
            options="people",
            help=text("For example the requester: {{ event.payload.employee }}."),
        ),
        FieldSpec(name="delegate", label=text("Approvers can delegate"), kind=_K.BOOLEAN, default=False),
        FieldSpec(name="timeout", label=text("Due after"), required=True, help=SPAN),
        FieldSpec(name="remind_after", label=text("Remind after"), help=SPAN),
        ON_TIMEOUT,
    ),
    "workflow": (
        FieldSpec(
            name="workflow",
            label=text("Workflow"),
            required=True,
            options="workflows",
            help=text("The workflow's slug."),
        ),
        FieldSpec(name="payload", label=text("Payload"), kind=_K.MAPPING, shown=True),
        FieldSpec(name="wait", label=text("Wait for the workflow to end"), kind=_K.BOOLEAN, default=True, shown=True),
    ),
    "try": (),
    "stop": (
        _choice("outcome", text("End the run as"), ("succeeded", text("Succeeded")), ("failed", text("Failed"))),
        FieldSpec(name="message", label=text("Message"), kind=_K.LONG_TEXT, shown=True),
    ),
    "reply": (
        FieldSpec(name="status", label=text("Status"), default="200", help=text("From 200 to 599."), shown=True),
        FieldSpec(
            name="content_type",
            label=text("Content type"),
            kind=_K.CHOICE,
            default=CONTENT_TYPES[0],
            choices=tuple((each, each) for each in CONTENT_TYPES),
            shown=True,
        ),
        FieldSpec(
            name="body",
            label=text("Body"),
            kind=_K.JSON,
            help=text("A JSON value, or text for the other content types. Leave empty for no body."),
            shown=True,
        ),
        FieldSpec(
            name="headers",
            label=text("Headers"),
            kind=_K.MAPPING,
            help=text("Headers about cookies, the connection or security cannot be set."),
        ),
    ),
}
POLICY_FIELDS = (
    FieldGroup(
        name="retry",
        label=text("Retries"),
        help=text("Waits are randomised so failed runs do not all retry at once."),
        parts=(
            FieldSpec(name="attempts", label=text("Maximum attempts"), kind=_K.INTEGER, default=1),
            FieldSpec(name="base", label=text("First wait (seconds)"), kind=_K.NUMBER, default=2),
            FieldSpec(name="factor", label=text("Backoff factor"), kind=_K.NUMBER, default=2),
            FieldSpec(name="cap", label=text("Longest wait (seconds)"), kind=_K.NUMBER, default=900),
        ),
    ),
    FieldSpec(name="timeout", label=text("Timeout per attempt (seconds)"), kind=_K.NUMBER),
    FieldGroup(
        name="on_error",
        label=text("After the last attempt fails"),
        parts=(
            FieldSpec(
                name="then",
                label=text("Action"),
                kind=_K.CHOICE,
                default="fail",
                choices=(
                    ("fail", text("Fail the run")),
                    ("value", text("Continue with a value")),
                    ("steps", text("Run other steps")),
                ),
            ),
            FieldSpec(name="value", label=text("Value"), kind=_K.JSON, help=text("Becomes the step's output.")),
        ),
        parts_of=_failure_fields,
        whole=_on_error_value,
    ),
    FieldSpec(
        name="at_most_once",
        label=text("Do not retry when the outcome is unknown"),
        kind=_K.BOOLEAN,
        default=False,
        help=text("If an attempt may have taken effect, the step waits for a decision."),
    ),
    FieldSpec(
        name="runs_on",
        label=text("Runs on"),
        kind=_K.CHOICE,
        choices=(("", text("Pool of the connection or workflow")),),
        help=text("Executor pool that performs this step."),
    ),
)
NOTES = FieldSpec(name="notes", label=text("Notes"), kind=_K.LONG_TEXT)
NAME = FieldSpec(name="name", label=text("Name"), shown=True)
SETTINGS_FIELDS = (
    FieldSpec(name="name", label=text("Name"), required=True),
    FieldSpec(name="description", label=text("Description"), kind=_K.LONG_TEXT),
    FieldSpec(name="tags", label=text("Tags"), kind=_K.LIST),
    FieldSpec(
        name="timezone",
        label=text("Time zone"),
        required=True,
        options="time_zones",
        help=text("For example Europe/Berlin."),
    ),
    FieldSpec(
        name="priority", label=text("Priority"), kind=_K.INTEGER, default=0, help=text("-10 to 10. Higher runs first.")
    ),
    FieldSpec(
        name="runs_on",
        label=text("Runs on"),
        kind=_K.CHOICE,
        choices=(("", text("Default pool")),),
        help=text("Executor pool for the actions of this workflow. Connections and steps can choose another."),
    ),
    FieldSpec(name="vars", label=text("Variables"), kind=_K.MAPPING),
    FieldSpec(
        name="subject",
        label=text("Subject line"),
        help=text(
            "Names each run in lists, for example {{ event.payload.order.no }}. Leave empty to take it from the event."
        ),
    ),
    FieldSpec(
        name="search_terms",
        label=text("Search terms"),
        kind=_K.MAPPING,
        help=text("Make runs searchable by up to 10 values, for example order_no = {{ event.payload.order.no }}."),
    ),
    FieldGroup(
        name="concurrency",
        label=text("Concurrent runs"),
        parts=(
            FieldSpec(name="limit", label=text("Maximum"), kind=_K.INTEGER, help=text("Leave empty for no limit.")),
            FieldSpec(
                name="key",
                label=text("Group by"),
                help=text("An expression, for example {{ event.payload.customer }}."),
            ),
            FieldSpec(
                name="policy",
                label=text("When the limit is reached"),
                kind=_K.CHOICE,
                default="queue",
                choices=(
                    ("queue", text("Queue the run")),
                    ("skip", text("Skip the run")),
                    ("cancel_older", text("Replace the oldest run")),
                ),
            ),
        ),
        whole=lambda parts: parts if "limit" in parts else MISSING,
    ),
    FieldGroup(
        name="retention",
        label=text("Retention of runs (days)"),
        help=text("0 keeps runs forever. Leave empty for the site default. Applies after publishing."),
        parts=(
            FieldSpec(name="succeeded", label=text("Succeeded"), kind=_K.INTEGER),
            FieldSpec(name="failed", label=text("Failed"), kind=_K.INTEGER),
            FieldSpec(name="cancelled", label=text("Cancelled"), kind=_K.INTEGER),
            FieldSpec(name="tests", label=text("Test runs"), kind=_K.INTEGER),
        ),
    ),
    FieldGroup(
        name="agents",
        label=text("AI agents"),
        help=text("Agents see the workflow as a tool and start it with the inputs of its manual trigger."),
        parts=(
            FieldSpec(
                name="enabled",
                label=text("Available to agents"),
                kind=_K.BOOLEAN,
                default=False,
                help=text("Applies after publishing. Agents need the Run permission."),
            ),
            FieldSpec(
                name="description",
                label=text("Tool description"),
                kind=_K.LONG_TEXT,
                help=text("Says what the workflow does and when to use it. Leave empty to use its description."),
            ),
        ),
        parts_of=lambda value: {"enabled": True, **value} if isinstance(value, dict) else {},
        whole=_agents_value,
    ),
    FieldSpec(name="run_as", label=text("Runs as"), required=True, options="run_as", help=text("A username.")),
)
