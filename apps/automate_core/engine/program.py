"""Programs: definitions ready to run, with compiled templates and rules, and their connectors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from automate_connectors.adapters.base import Action, ActionVersionError, ConnectorAdapter, ConnectorError, Effect
from automate_connectors.invocation import invoke
from automate_connectors.registry import find_action
from automate_core.conf import setting
from automate_core.definition.document import (
    ActionStep,
    ApprovalStep,
    BranchStep,
    Concurrency,
    Definition,
    ForEachStep,
    FormField,
    ParallelStep,
    RepeatStep,
    ReplyStep,
    Retry,
    Step,
    StopStep,
    TryStep,
    WaitStep,
    WorkflowStep,
)
from automate_core.definition.literal_inputs import literal_input_problems
from automate_core.definition.slots import slots
from automate_core.definition.step_names import title_of_key
from automate_core.engine import version_secrets
from automate_core.engine.retry import RetryPolicy
from automate_core.events import search_terms
from automate_core.expressions.json_logic import Rule, read_rule
from automate_core.expressions.json_path import TemplateError, as_text
from automate_core.expressions.templating import Template, compile_value
from automate_core.expressions.templating.value_size import is_small
from automate_plugins import text

if TYPE_CHECKING:
    from automate_core.engine.test_options import TestOptions

type Nodes = tuple[Node, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionNode:
    """Call a connector. `adapter` and `action` are None when the plug-in is missing: `missing` says which.

    When the last attempt fails, the output is the rendered `default`, or `on_error` runs; if both are None, the step
    fails.
    """

    key: str
    adapter: ConnectorAdapter | None
    action: Action | None
    missing: str
    inputs: Template
    connection: str
    save_as: str
    retry: RetryPolicy
    timeout: float
    default: Template | None
    on_error: Nodes | None
    at_most_once: bool
    runs_on: str = ""

    @property
    def pure(self) -> bool:
        """Whether it runs in the database thread and is written with the next checkpoint."""
        return self.action is not None and self.action.effect is Effect.PURE

    @property
    def transactional(self) -> bool:
        """Whether it commits together with its own record."""
        return self.action is not None and self.action.effect is Effect.TRANSACTIONAL


@dataclass(frozen=True, slots=True)
class Route:
    """One route of a branch."""

    key: str
    when: Rule
    nodes: Nodes


@dataclass(frozen=True, slots=True)
class BranchNode:
    """Take the first route whose rule holds, or all that do one after the other, else `otherwise`."""

    key: str
    routes: tuple[Route, ...]
    otherwise: Nodes
    all: bool

    def nodes_of(self, route: str) -> Nodes:
        """The steps of the route with that key; of otherwise for any other key."""
        return next((candidate.nodes for candidate in self.routes if candidate.key == route), self.otherwise)


@dataclass(frozen=True, slots=True)
class ParallelNode:
    """Run all branches at once, at most `limit` of them."""

    key: str
    arms: tuple[Nodes, ...]
    limit: int


@dataclass(frozen=True, slots=True)
class LoopBody:
    """The steps of a loop, and the (key, path, kind) of each callback or form that they wait for in an iteration."""

    nodes: Nodes
    callbacks: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class ForEachNode:
    """Run the body for each of `items`."""

    key: str
    items: Template
    concurrency: int
    on_item_error: str
    body: LoopBody


@dataclass(frozen=True, slots=True)
class RepeatNode:
    """Run the body until the rule holds."""

    key: str
    until: Rule
    maximum: int
    body: LoopBody


@dataclass(frozen=True, slots=True)
class FormPage:
    """A page of a hosted form: `texts` gives its title and introduction, `fields` are documents of FormField."""

    texts: Template
    fields: list[Any]
    shown_to: str


@dataclass(frozen=True, slots=True)
class WaitNode:
    """Wait for a time, a callback or the answer to a form. `span` is a duration, or the timeout of an answer."""

    key: str
    span: Template | None
    until: Template | None
    callback: bool
    on_timeout: Nodes | None
    form: FormPage | None = None

    @property
    def kind(self) -> str:
        """The `Wait.Kind`."""
        return "form" if self.form else "callback" if self.callback else "timer"

    @property
    def is_answered(self) -> bool:
        """Whether it ends by an answer, or by its timeout."""
        return self.callback or self.form is not None


@dataclass(frozen=True, slots=True)
class ApprovalNode:
    """Ask people. With a `decision`, the outcome of a test run, no one is asked; `note` says so in the log."""

    key: str
    name: str
    asks: Template
    form: list[Any]
    delegate: bool
    outcomes: dict[str, tuple[str, Nodes]]
    span: Template
    remind_after: Template | None
    on_timeout: Nodes | None
    timeout: float  #: for finding the people
    decision: dict[str, Any] | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class WorkflowNode:
    """Start another workflow."""

    key: str
    workflow: str
    payload: Template
    waits: bool
    timeout: float  #: for asking whether it may be called


@dataclass(frozen=True, slots=True)
class TryNode:
    """Catch the errors of `nodes`."""

    key: str
    nodes: Nodes
    on_error: Nodes
    always: Nodes


@dataclass(frozen=True, slots=True)
class StopNode:
    """End the run."""

    key: str
    succeeded: bool
    message: Template


@dataclass(frozen=True, slots=True)
class ReplyNode:
    """Answer the caller. `parts` gives the status, the headers and, where `has_body`, the body."""

    key: str
    content_type: str
    parts: Template
    has_body: bool


@dataclass(frozen=True, slots=True)
class RenderNode:
    """A template for a `Computation`. `timeout` includes the wait for a free render worker."""

    template: Template
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class DecideNode:
    """A condition for a `Computation`."""

    rule: Rule
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class PureNode:
    """A call of a pure action with large inputs, for a `Computation`."""

    node: ActionNode
    context: dict[str, Any]
    timeout: float

    def output(self, params: dict[str, Any]) -> bytes:
        """Its output as a JSON document. Raises ConnectorError."""
        if self.node.adapter is None or self.node.action is None:
            raise ConnectorError(self.node.missing, code="connector_not_found")
        return invoke(self.node.adapter, self.node.action, params, self.context)


type Node = (
    ActionNode
    | BranchNode
    | ParallelNode
    | ForEachNode
    | RepeatNode
    | WaitNode
    | ApprovalNode
    | WorkflowNode
    | TryNode
    | StopNode
    | ReplyNode
)


@dataclass(frozen=True, slots=True)
class RefreshSecretsNode:
    """Refreshing the secrets that are masked in a run. `timeout` is for the secret backends."""

    timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class ConcurrencyLimit:
    """At most `limit` runs at once for each value of `key`."""

    limit: int
    key: Template
    policy: str

    def key_for(self, event: dict[str, Any], variables: dict[str, Any]) -> str:
        """The slot key of a run; empty when it cannot be computed: such runs share the limit."""
        scope = {"event": event, "vars": variables}
        try:
            value = self.key.render(scope) if self.key.is_light_on(scope) else None
            key = as_text(value) if is_small(value) else ""
        except TemplateError:
            return ""
        return key.replace("\0", "")[:200]


@dataclass(frozen=True, slots=True)
class Program:
    """A published version, ready to run; with `test_options`, a draft's snapshot for a test."""

    workflow: str
    timezone: str
    priority: int
    limit: ConcurrencyLimit | None
    vars: dict[str, Any]
    search_terms: search_terms.SearchTerms
    body: LoopBody
    secrets: version_secrets.VersionSecrets
    test_options: TestOptions | None = None
    runs_on: str = ""

    @property
    def is_simulated(self) -> bool:
        """Whether it is a test run that uses no connection."""
        return self.test_options is not None and self.test_options.mode != "real"


def compile_program(definition: Definition) -> Program:
    """Compile a definition. Raises TemplateError and RuleError."""
    return Program(
        workflow=definition.slug,
        timezone=definition.timezone,
        priority=definition.priority,
        limit=compile_limit(definition.concurrency),
        vars=definition.vars,
        search_terms=search_terms.compile_search_terms(definition),
        body=_body(definition.steps),
        secrets=version_secrets.build_version_secrets(definition),
        runs_on=definition.runs_on,
    )


def compile_limit(concurrency: Concurrency | None) -> ConcurrencyLimit | None:
    """The limit that a definition sets, if any."""
    if concurrency is None:
        return None
    return ConcurrencyLimit(concurrency.limit, compile_value(concurrency.key), concurrency.policy)


def _body(steps: list[Step]) -> LoopBody:
    return LoopBody(_nodes(steps), tuple(_callbacks(steps, "")))


def _callbacks(steps: list[Step], prefix: str) -> Iterator[tuple[str, str, str]]:
    """(key, path, kind) of each wait for a callback or a form that is not inside a further loop."""
    for step in steps:
        if isinstance(step, WaitStep) and (step.callback or step.form):
            yield step.key, f"{prefix}{step.key}", "form" if step.form else "callback"
        if not isinstance(step, ForEachStep | RepeatStep):
            for slot in slots(step):
                yield from _callbacks(slot.steps, f"{prefix}{step.key}/")


def _nodes(steps: list[Step]) -> Nodes:
    return tuple(_node(step) for step in steps if not step.disabled)


def _optional(steps: list[Step] | None) -> Nodes | None:
    return None if steps is None else _nodes(steps)


def _node(step: Step) -> Node:
    match step:
        case ActionStep():
            return compile_action(step)
        case BranchStep():
            routes = tuple(Route(arm.key, read_rule(arm.when), _nodes(arm.steps)) for arm in step.arms)
            return BranchNode(step.key, routes, _nodes(step.otherwise), step.match == "all")
        case ParallelStep():
            return ParallelNode(step.key, tuple(_nodes(arm.steps) for arm in step.arms), step.limit)
        case ForEachStep():
            items = compile_value(step.items)
            return ForEachNode(step.key, items, step.concurrency, step.on_item_error, _body(step.steps))
        case RepeatStep():
            return RepeatNode(step.key, read_rule(step.until), step.maximum, _body(step.steps))
        case WaitStep():
            return _wait(step)
        case ApprovalStep():
            return _approval(step)
        case WorkflowStep():
            timeout = setting("AUTOMATE_STEP_TIMEOUT_SECONDS")
            return WorkflowNode(step.key, step.workflow, compile_value(step.payload), step.wait, timeout)
        case TryStep():
            return TryNode(step.key, _nodes(step.steps), _nodes(step.on_error), _nodes(step.always))
        case StopStep():
            return StopNode(step.key, step.outcome == "succeeded", compile_value(step.message))
        case ReplyStep():
            parts = compile_value({"status": step.status, "headers": step.headers, "body": step.body})
            return ReplyNode(step.key, step.content_type, parts, step.body is not None)


def _wait(step: WaitStep) -> WaitNode:
    span = step.timeout if step.callback or step.form else step.duration
    return WaitNode(
        step.key,
        None if span is None else compile_value(span),
        None if step.until is None else compile_value(step.until),
        step.callback,
        _optional(step.on_timeout),
        _form_page(step) if step.form else None,
    )


def _form_page(step: WaitStep) -> FormPage:
    texts = compile_value({"title": step.title, "introduction": step.introduction, **_defaults(step.form)})
    return FormPage(texts, msgspec.to_builtins(step.form), step.shown_to)


_APPROVAL_INPUTS = ("assignees", "groups", "excluded", "message", "context")  #: what is rendered when an approval opens


def _defaults(form: list[FormField]) -> dict[str, Any]:
    """What the fields of a form begin with, by name, to be rendered; nothing when no field has a default."""
    found = {field.name: field.default for field in form if field.default is not None}
    return {"defaults": found} if found else {}


def _approval(step: ApprovalStep) -> ApprovalNode:
    return ApprovalNode(
        key=step.key,
        name=step.name or title_of_key(step.key),
        asks=compile_value({**{name: getattr(step, name) for name in _APPROVAL_INPUTS}, **_defaults(step.form)}),
        form=msgspec.to_builtins(step.form),
        delegate=step.delegate,
        outcomes={lane.key: (lane.name or title_of_key(lane.key), _nodes(lane.steps)) for lane in step.outcomes},
        span=compile_value(step.timeout),
        remind_after=None if step.remind_after is None else compile_value(step.remind_after),
        on_timeout=_optional(step.on_timeout),
        timeout=setting("AUTOMATE_STEP_TIMEOUT_SECONDS"),
    )


def compile_action(step: ActionStep) -> ActionNode:
    """Compile one step. Raises TemplateError."""
    adapter: ConnectorAdapter | None = None
    action: Action | None = None
    missing = ""
    try:
        adapter, found = find_action(step.action)
        action = found.at_version(step.version)
    except (LookupError, ActionVersionError) as error:
        missing = str(error)
    policy, on_error = step.retry or Retry(), step.on_error
    for name, reason in literal_input_problems(action, step.inputs) if action else ():
        raise TemplateError(text("%(step)s: %(reason)s", step=f"{step.key}.{name}", reason=reason))
    return ActionNode(
        key=step.key,
        adapter=adapter,
        action=action,
        missing=missing,
        inputs=compile_value(step.inputs),
        connection=step.connection,
        save_as=step.save_as,
        retry=RetryPolicy(policy.attempts, policy.base, policy.factor, policy.cap),
        timeout=step.timeout or setting("AUTOMATE_STEP_TIMEOUT_SECONDS"),
        default=None if on_error is None or on_error.value is msgspec.UNSET else compile_value(on_error.value),
        on_error=_nodes(on_error.steps) if on_error and on_error.steps else None,
        at_most_once=step.at_most_once,
        runs_on=step.runs_on,
    )
