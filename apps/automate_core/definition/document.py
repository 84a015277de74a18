"""A workflow as one document: what YAML files hold, what versions freeze, what the engine walks.

The same document everywhere, with natural keys (slugs, step keys, names of connections) and a schema number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from automate_core.definition.reply_rules import ContentType
from automate_plugins import text
from automate_plugins.errors import AutomateError
from automate_plugins.texts import joined, verbatim

SCHEMA = 1
MAX_SEARCH_TERMS = 10
MAX_STEPS = 1_000
MAX_NESTING = 20

_KEY = r"^[a-z][a-z0-9_]{0,63}\Z"
_SLUG = r"^[a-z0-9]+(-[a-z0-9]+)*\Z"
PATTERN_REASONS = {
    _KEY: text("Use lowercase letters, digits and underscores, starting with a letter."),
    _SLUG: text("Use lowercase letters and digits, with single hyphens between them."),
}
Key = Annotated[str, Meta(pattern=_KEY)]
Slug = Annotated[str, Meta(pattern=_SLUG, max_length=100)]
Name = Annotated[str, Meta(max_length=200)]
ConnectionSlug = Annotated[str, Meta(max_length=100)]


class DefinitionError(AutomateError, ValueError, code="invalid_definition"):
    """An invalid definition: every problem found, each with its path."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(joined(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True)
class Problem:
    """One error: `path` is the place in the document (`steps[1].arms[0].when`), `reason` says what to correct.

    `line` is the line in the source file, counted from 1. `missing` marks a field that is not filled in yet, as in
    every new step.
    """

    path: str
    reason: str
    line: int | None = None
    missing: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        where = [text("Line %(line)s", line=str(self.line))] if self.line else []
        return joined([*where, verbatim(self.path) if self.path else "", self.reason], ": ")


class _Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of all parts of a document: unknown fields are rejected, defaults are left out when written."""


class Retry(_Part, frozen=True, kw_only=True):
    """Attempts in all; after attempt n a delay of `base * factor**(n-1)` seconds, at most `cap`, half of it random."""

    attempts: Annotated[int, Meta(ge=1, le=50)] = 1
    base: Annotated[float, Meta(ge=0, le=3600)] = 2.0
    factor: Annotated[float, Meta(ge=1, le=10)] = 2.0
    cap: Annotated[float, Meta(ge=0, le=86_400)] = 900.0


class OnError(_Part, frozen=True, kw_only=True):
    """Handling of a final failure: `value` becomes the output, or `steps` run instead.

    Without it the failure goes on to what surrounds the step.
    """

    value: Any = msgspec.UNSET
    steps: list[Step] = msgspec.field(default_factory=list)


class _Step(_Part, frozen=True, kw_only=True):
    """Fields of every step. `disabled` steps are skipped."""

    key: Key
    name: Name = ""
    notes: str = ""
    disabled: bool = False


class ActionStep(_Step, frozen=True, kw_only=True, tag_field="kind", tag="action"):
    """Call `connector.action` with rendered inputs; `save_as` also keeps the output as `vars.NAME`.

    `version` is that of the action whose inputs these are. `at_most_once`: an attempt whose outcome is in doubt waits
    for a person instead of being repeated. `runs_on` is the pool that performs it, before that of its connection.
    """

    action: Name
    version: Annotated[int, Meta(ge=1, le=10_000)] = 1
    connection: ConnectionSlug = ""
    inputs: dict[str, Any] = msgspec.field(default_factory=dict)
    save_as: Key | Literal[""] = ""
    retry: Retry | None = None
    timeout: Annotated[float, Meta(gt=0, le=3600)] | None = None
    on_error: OnError | None = None
    at_most_once: bool = False
    runs_on: Annotated[str, Meta(max_length=64)] = ""


class Route(_Part, frozen=True, kw_only=True):
    """One route of a branch: taken when the rule `when` holds."""

    key: Key
    name: Name = ""
    when: Any
    steps: list[Step] = msgspec.field(default_factory=list)


class BranchStep(_Step, frozen=True, kw_only=True, tag_field="kind", tag="branch"):
    """Run the first route whose condition holds, or with `match: all` each that does, in order; else `otherwise`."""

    match: Literal["first", "all"] = "first"
    arms: list[Route]
    otherwise: list[Step] = msgspec.field(default_factory=list)


class NamedSlot(_Part, frozen=True, kw_only=True):
    """A parallel branch, or an outcome of an approval."""

    key: Key
    name: Name = ""
    steps: list[Step] = msgspec.field(default_factory=list)


class ParallelStep(_Step, frozen=True, kw_only=True, tag_field="kind", tag="parallel"):
    """Run all branches at once, at most `limit` of them, and continue when all have ended."""

    arms: Annotated[list[NamedSlot], Meta(max_length=50)]
    limit: Annotated[int, Meta(ge=1, le=50)] = 10


class ForEachStep(_Step, frozen=True, kw_only=True, tag_field="kind", tag="for_each"):
    """Run `steps` for each of `items`, a list or an expression that gives one, `concurrency` at a time.

    The output is the list of what each item's last step gave, in order. An item that fails stops the loop, or leaves
    null (`continue`), or its error (`collect`).
    """

    items: Any
    concurrency: Annotated[int, Meta(ge=1, le=50)] = 1
    on_item_error: Literal["stop", "continue", "collect"] = "stop"
    steps: list[Step] = msgspec.field(default_factory=list)


class RepeatStep(_Step, frozen=True, kw_only=True, tag_field="kind", tag="repeat"):
    """Run `steps` until the rule `until` holds, at most `maximum` times; reaching that is a failure."""

    until: Any
    maximum: Annotated[int, Meta(ge=1, le=1_000)]
    steps: list[Step] = msgspec.field(default_factory=list)


type Duration = float | str


class WaitStep(_Step, frozen=True, kw_only=True, tag_field="kind", tag="wait"):
    """Wait for a `duration`, `until` a time, or until `timeout` for a form or a `callback`, a POST to `callbacks.KEY`.

    Durations are seconds, or texts such as `2h 30m`. The output of a callback is `{outcome, payload}`; `on_timeout`
    runs when none came, and without it the step fails. With a `scheme` of webhooks, and a `secret` by its reference, a
    callback has to be signed as well.

    With fields in `form`, the step is a page of a hosted form, with a `title` and an `introduction`. It is `shown_to`
    the person whose answer started the run, or only at `callbacks.KEY`. Its output is `{outcome, form}`.
    """

    duration: Duration | None = None
    until: str | None = None
    callback: bool = False
    scheme: str = ""
    scheme_config: dict[str, Any] = msgspec.field(default_factory=dict)
    secret: str = ""
    form: list[FormField] = msgspec.field(default_factory=list)
    title: Name = ""
    introduction: str = ""
    shown_to: Literal["submitter", "link"] = "submitter"
    timeout: Duration | None = None
    on_timeout: list[Step] | None = None


class FormField(_Part, frozen=True, kw_only=True):
    """One field of a form that a person fills in; the HOSTED_KINDS are fields of hosted forms alone.

    `minimum` and `maximum` limit the value of a number, the characters of a text, the number of chosen `choices`, and
    as `maximum` the megabytes of a file. A file's type is one of `accept`: `.pdf`, `image/*`; an empty list is any.
    The form begins with `default`, in a form of a step rendered when it opens; no file and no consent has one.
    """

    name: Key
    label: Name = ""
    kind: Literal["text", "long_text", "number", "boolean", "choice", "date", "choices", "email", "file", "consent"] = (
        "text"
    )
    choices: list[str] = msgspec.field(default_factory=list)
    required: bool = False
    help: str = ""
    minimum: float | None = None
    maximum: float | None = None
    accept: list[str] = msgspec.field(default_factory=list)
    default: Any = None


HOSTED_KINDS = frozenset({"choices", "email", "file", "consent"})


class ApprovalStep(_Step, frozen=True, kw_only=True, tag_field="kind", tag="approval"):
    """Ask people, by user name or group, to choose one of `outcomes`, whose steps then run.

    Assignees see `message` and `context`, and fill in `form`. The users in `excluded` cannot decide, even if assigned.
    With `delegate` an assignee may delegate to another person. After `remind_after` they get a reminder; after
    `timeout` the steps in `on_timeout` run, or the step fails when there are none. The output is
    `{outcome, by, at, form, remark}`.
    """

    assignees: list[str] = msgspec.field(default_factory=list)
    groups: list[str] = msgspec.field(default_factory=list)
    excluded: list[str] = msgspec.field(default_factory=list)
    delegate: bool = False
    message: str = ""
    context: dict[str, Any] = msgspec.field(default_factory=dict)
    form: list[FormField] = msgspec.field(default_factory=list)
    outcomes: list[NamedSlot] = msgspec.field(
        default_factory=lambda: [NamedSlot(key="approved", name="Approve"), NamedSlot(key="rejected", name="Reject")]
    )
    remind_after: Duration | None = None
    timeout: Duration
    on_timeout: list[Step] | None = None
    continues_after: list[Key] = msgspec.field(default_factory=list)


class WorkflowStep(_Step, frozen=True, kw_only=True, tag_field="kind", tag="workflow"):
    """Start the published workflow `workflow` with `payload`, and wait for its end unless `wait` is false.

    The output is `{run, status, output}`; a run that did not succeed is a failure.
    """

    workflow: Slug
    payload: Any = None
    wait: bool = True


class TryStep(_Step, frozen=True, kw_only=True, tag_field="kind", tag="try"):
    """Run `steps`; when one fails, `on_error`, which sees `error`, in its place; and `always` in the end."""

    steps: list[Step] = msgspec.field(default_factory=list)
    on_error: list[Step] = msgspec.field(default_factory=list)
    always: list[Step] = msgspec.field(default_factory=list)


class StopStep(_Step, frozen=True, kw_only=True, tag_field="kind", tag="stop"):
    """End the run, as succeeded or failed, with a message."""

    outcome: Literal["succeeded", "failed"] = "succeeded"
    message: str = ""


class ReplyStep(_Step, frozen=True, kw_only=True, tag_field="kind", tag="reply"):
    """Answer the caller that waits for the run; of several replies the first counts.

    A body of a JSON type is any value, of another type a text; without one, the answer has no body. `status`, the
    values of `headers` and `body` may hold expressions. The output is `{status, content_type, headers, body}`.
    """

    status: int | str = 200
    content_type: ContentType = "application/json"
    headers: dict[str, Any] = msgspec.field(default_factory=dict)
    body: Any = None


type Step = (
    ActionStep
    | BranchStep
    | ParallelStep
    | ForEachStep
    | RepeatStep
    | WaitStep
    | ApprovalStep
    | WorkflowStep
    | TryStep
    | StopStep
    | ReplyStep
)
OTHERWISE = "otherwise"
TIMEOUT = "timeout"


class _Trigger(_Part, frozen=True, kw_only=True):
    """Fields of every trigger. A `disabled` one starts nothing, as in a copy until a person turns it on."""

    disabled: bool = False


class WebhookTrigger(_Trigger, frozen=True, kw_only=True, tag_field="kind", tag="webhook"):
    """Deliveries to `endpoint`, of type `event` (empty takes all). Of any trigger, `filter` lets events pass."""

    key: Key = "webhook"
    endpoint: Slug
    event: Name = ""
    filter: Any = None

    @property
    def matches(self) -> tuple[str, str]:
        """(source, type) of the events it takes; an empty type takes all."""
        return f"webhook:{self.endpoint}", self.event


class ScheduleTrigger(_Trigger, frozen=True, kw_only=True, tag_field="kind", tag="schedule"):
    """Times: `cron`, five fields in the workflow's time zone, or `every` so many seconds or `15m`.

    `missed` says what becomes of times at which nothing ran the site: none, the last `once`, or `all`.
    """

    key: Key = "schedule"
    cron: str = ""
    every: Duration | None = None
    timezone: str = ""
    missed: Literal["skip", "once", "all"] = "once"
    filter: Any = None

    @property
    def matches(self) -> tuple[str, str]:
        """(source, type) of the events it takes; an empty source is the workflow's own, `kind:slug`."""
        return "", self.key


class ModelTrigger(_Trigger, frozen=True, kw_only=True, tag_field="kind", tag="model"):
    """Changes of a model that the settings allow: `on` these, and if `fields` are named only when one of them changed.

    What a workflow writes itself starts it again only with `own_changes`.
    """

    key: Key = "model"
    model: Name
    on: list[Literal["created", "updated", "deleted"]] = msgspec.field(default_factory=lambda: ["created", "updated"])
    fields: list[Name] = msgspec.field(default_factory=list)
    own_changes: bool = False
    filter: Any = None

    @property
    def matches(self) -> tuple[str, str]:
        """(source, type) of the events it takes."""
        return f"model:{self.model.lower()}", ""


class ManualTrigger(_Trigger, frozen=True, kw_only=True, tag_field="kind", tag="manual"):
    """A person, who fills in `inputs`."""

    key: Key = "manual"
    inputs: list[FormField] = msgspec.field(default_factory=list)
    filter: Any = None

    @property
    def matches(self) -> tuple[str, str]:
        """(source, type) of the events it takes; an empty source is the workflow's own, `kind:slug`."""
        return "", self.key


class FormTrigger(_Trigger, frozen=True, kw_only=True, tag_field="kind", tag="form"):
    """Answers to a hosted form, at `/forms/<slug>/`, whose fields are `inputs`.

    `access` is `public`, with a secret `link`, or for people who have `signed_in`. A new `link_number` makes a new
    secret link, and the old one invalid. After an answer the person sees `confirmation`, or is sent to `redirect`, an
    address on an allowed host. Pages of `origins` may embed the form. It is closed from `closes_at`, in the workflow's
    time zone, and after `maximum_answers`. With `proof_of_work`, a browser computes a task before its answer counts.
    """

    key: Key = "form"
    slug: Slug
    title: Name = ""
    introduction: str = ""
    inputs: list[FormField] = msgspec.field(default_factory=list)
    access: Literal["public", "link", "signed_in"] = "public"
    link_number: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    confirmation: str = ""
    redirect: Annotated[str, Meta(max_length=2_000)] = ""
    origins: Annotated[list[str], Meta(max_length=50)] = msgspec.field(default_factory=list)
    closes_at: str = ""
    maximum_answers: Annotated[int, Meta(ge=1, le=1_000_000_000)] | None = None
    proof_of_work: bool = False
    filter: Any = None

    @property
    def matches(self) -> tuple[str, str]:
        """(source, type) of the events it takes; an empty source is the workflow's own, `kind:slug`."""
        return "", self.key


class MailTrigger(_Trigger, frozen=True, kw_only=True, tag_field="kind", tag="mail"):
    """Messages to an address of the workflow's own; a new `address_number` makes a new address.

    `senders` are the addresses, and domains such as `@example.com`, whose messages start it; an empty list is any. With
    `require_dmarc`, a server that the site trusts must have confirmed the sender's domain. Messages of programs and
    mailing lists start it only with `accept_automatic`.
    """

    key: Key = "mail"
    address_number: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    senders: Annotated[list[Annotated[str, Meta(max_length=320)]], Meta(max_length=200)] = msgspec.field(
        default_factory=list
    )
    require_dmarc: bool = False
    accept_automatic: bool = False
    filter: Any = None

    @property
    def matches(self) -> tuple[str, str]:
        """(source, type) of the events it takes; an empty source is the workflow's own, `kind:slug`."""
        return "", self.key


class EventTrigger(_Trigger, frozen=True, kw_only=True, tag_field="kind", tag="event"):
    """Events from the host's code: `emit("order.paid", {...})`."""

    key: Key = "event"
    event: Annotated[str, Meta(min_length=1, max_length=200)]
    filter: Any = None

    @property
    def matches(self) -> tuple[str, str]:
        """(source, type) of the events it takes."""
        return "app", self.event


class RunTrigger(_Trigger, frozen=True, kw_only=True, tag_field="kind", tag="run"):
    """The end of a run of `workflow`."""

    key: Key = "run"
    workflow: Slug
    on: Literal["succeeded", "failed", "ended"] = "ended"
    filter: Any = None

    @property
    def matches(self) -> tuple[str, str]:
        """(source, type) of the events it takes."""
        return f"run:{self.workflow}", "" if self.on == "ended" else self.on


class PollTrigger(_Trigger, frozen=True, kw_only=True, tag_field="kind", tag="poll"):
    """New items of `poll`, such as `rss.new_item`, which is asked for `every` so many seconds or `15m`.

    `inputs` hold no expressions: nothing is there yet that they could name.
    """

    key: Key = "poll"
    poll: Annotated[str, Meta(min_length=1, max_length=200)]
    connection: Annotated[str, Meta(max_length=100)] = ""
    inputs: dict[str, Any] = msgspec.field(default_factory=dict)
    every: Duration = "15m"
    filter: Any = None

    @property
    def reference(self) -> str:
        """`connector.name` of what it asks for."""
        return self.poll

    @property
    def matches(self) -> tuple[str, str]:
        """(source, type) of the events it takes; an empty source is the workflow's own, `kind:slug`."""
        return "", self.key


class ServiceTrigger(_Trigger, frozen=True, kw_only=True, tag_field="kind", tag="service"):
    """Deliveries of a service at which `webhook`, such as `github.push`, is registered while the workflow is active.

    `events` are the event types that it sends, an empty list all that the webhook lists. `inputs` hold no expressions:
    nothing is there yet that they could name.
    """

    key: Key = "service"
    webhook: Annotated[str, Meta(min_length=1, max_length=200)]
    connection: Annotated[str, Meta(max_length=100)] = ""
    inputs: dict[str, Any] = msgspec.field(default_factory=dict)
    events: Annotated[list[Annotated[str, Meta(min_length=1, max_length=200)]], Meta(max_length=100)] = msgspec.field(
        default_factory=list
    )
    filter: Any = None

    @property
    def reference(self) -> str:
        """`connector.name` of what it asks for."""
        return self.webhook

    @property
    def matches(self) -> tuple[str, str]:
        """(source, type) of the events it takes; an empty source is the workflow's own, `kind:slug`."""
        return "", self.key


type Trigger = (
    WebhookTrigger
    | ScheduleTrigger
    | ModelTrigger
    | ManualTrigger
    | EventTrigger
    | RunTrigger
    | PollTrigger
    | ServiceTrigger
    | FormTrigger
    | MailTrigger
)


#: Triggers whose events a connector brings: by `reference`, with a `connection` and `inputs`.
CONNECTOR_TRIGGERS = (PollTrigger, ServiceTrigger)


class Concurrency(_Part, frozen=True, kw_only=True):
    """At most `limit` runs at once, of the workflow or of each value of the expression `key`.

    A further one waits its turn (`queue`), is not run (`skip`), or takes the place of the oldest (`cancel_older`).
    """

    limit: Annotated[int, Meta(ge=1, le=1_000)] = 1
    key: str = ""
    policy: Literal["queue", "skip", "cancel_older"] = "queue"


type Days = Annotated[int, Meta(ge=0, le=36_500)]


class Retention(_Part, frozen=True, kw_only=True):
    """Days that ended runs are kept, by their final state; `tests` are test runs, whatever their state.

    0 is for ever; what is not given is as the site's policy says. The published version's counts.
    """

    succeeded: Days | None = None
    failed: Days | None = None
    cancelled: Days | None = None
    tests: Days | None = None


class AgentTool(_Part, frozen=True, kw_only=True):
    """How AI agents see the workflow: as a tool with this description, which starts it by its manual trigger.

    `output` is a JSON Schema of what its runs give. The published version's counts.
    """

    enabled: bool = True
    description: Annotated[str, Meta(max_length=2_000)] = ""
    output: dict[str, Any] | None = None


class Definition(_Part, frozen=True, kw_only=True):
    """A whole workflow. `search_terms` are names and expressions whose values its runs are found by, `subject` is an
    expression for the line that names a run in lists; an empty one has it guessed. `runs_on` is the pool of
    its actions.
    """

    schema: Literal[1] = 1
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    slug: Slug
    description: str = ""
    tags: list[str] = msgspec.field(default_factory=list)
    timezone: str = "UTC"
    priority: Annotated[int, Meta(ge=-10, le=10)] = 0
    runs_on: Annotated[str, Meta(max_length=64)] = ""
    concurrency: Concurrency | None = None
    retention: Retention | None = None
    agents: AgentTool | None = None
    vars: dict[str, Any] = msgspec.field(default_factory=dict)
    subject: Annotated[str, Meta(max_length=500)] = ""
    search_terms: dict[str, str] = msgspec.field(default_factory=dict)
    triggers: list[Trigger] = msgspec.field(default_factory=list)
    steps: list[Step] = msgspec.field(default_factory=list)

    @property
    def enabled_triggers(self) -> list[Trigger]:
        """The triggers that start runs once this is published."""
        return [trigger for trigger in self.triggers if not trigger.disabled]


# Resolve all types while one thread imports: msgspec does so at a type's first use, and crashes when two threads use a
# type with types inside for the first time at once.
msgspec.json.Decoder(Definition)
