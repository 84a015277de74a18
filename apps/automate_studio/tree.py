"""The step tree as the screens draw it. One view-model for the draft and for a run: a difference is a field.

Values in, values out: the functions take a definition and what a run has recorded, and ask the database nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from automate_connectors.registry import find_action
from automate_core.definition import OTHERWISE, ActionStep, BranchStep, Definition, Step, StopStep, WebhookTrigger
from automate_studio import sentences, words

LIVE_STATES = {"running", "retrying", "waiting"}


@dataclass(frozen=True, kw_only=True)
class Card:
    """One step, or the trigger. `state` is empty in a draft; `line` styles the connector above."""

    path: str
    name: str
    subtitle: str
    icon: str
    tint: str = ""
    hue: int = 264
    level: int
    number: int | None = None
    state: str = ""
    note: str = ""
    line: str = ""
    routes: tuple[RouteView, ...] = ()

    @property
    def dom_id(self) -> str:
        """The path as part of an element's id, safe in selectors: `route/notify` is `route-notify`, `[3]` is `--3`."""
        return self.path.replace("/", "-").replace("[", "--").replace("]", "")

    @property
    def glyph(self) -> str:
        """The icon of the state."""
        return words.glyph(self.state)

    @property
    def label(self) -> str:
        """The accessible name: what it is, and its state in words."""
        parts = [self.name, self.subtitle, words.word(self.state).lower() if self.state else "", self.note]
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True, kw_only=True)
class RouteView:
    """One arm of a branch. `state` is `hit`, `off`, or empty while it is open."""

    key: str
    name: str
    condition: str
    state: str
    cards: tuple[Card, ...]
    left: bool = False  # the horizontal line left of its middle belongs to the taken way
    right: bool = False  # the same to the right

    @property
    def line(self) -> str:
        """How its connectors are drawn: the way in, and the way out, which a step that failed does not take."""
        if self.state == "hit" and self.cards and self.cards[-1].state != "succeeded":
            return "done in"
        return {"hit": "done", "off": "off"}.get(self.state, "")


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt of a step, without its payload. `route` is the arm that a branch took."""

    path: str
    number: int
    status: str
    started_at: dt.datetime
    finished_at: dt.datetime | None
    route: str | None = None
    message: str = ""

    @property
    def seconds(self) -> float | None:
        """How long it took, None while it runs."""
        return (self.finished_at - self.started_at).total_seconds() if self.finished_at else None


@dataclass(frozen=True)
class Recorded:
    """What a run has recorded of one path: its attempts, oldest first, and when the next one is due."""

    attempts: list[Attempt] = field(default_factory=list)
    retry_due: dt.datetime | None = None

    @property
    def last(self) -> Attempt | None:
        """The newest attempt."""
        return self.attempts[-1] if self.attempts else None

    @property
    def state(self) -> str:
        """The state to show: a failed or first attempt with another one to come is retrying."""
        if self.last is None:
            return "pending"
        if self.retry_due or (self.last.status == "running" and self.last.number > 1):
            return "retrying"
        return str(self.last.status)

    @property
    def seconds(self) -> float | None:
        """From the first attempt's start to the last one's end."""
        if self.last is None or self.last.finished_at is None:
            return None
        return (self.last.finished_at - self.attempts[0].started_at).total_seconds()


@dataclass(frozen=True)
class Tree:
    """All cards: the trigger, then the steps in reading order."""

    trigger: Card
    cards: tuple[Card, ...]

    def flat(self) -> Iterator[Card]:
        """Every step's card in reading order."""
        return _flat(self.cards)

    @property
    def end_line(self) -> str:
        """The connector before the end."""
        last = self.cards[-1] if self.cards else self.trigger
        return {"succeeded": "done", "skipped": "off"}.get(last.state, "")


def draft_tree(definition: Definition) -> Tree:
    """The tree of a definition, without states."""
    return _tree(definition, None, "")


def run_tree(definition: Definition, recorded: Mapping[str, Recorded], trigger_note: str, *, ended: bool) -> Tree:
    """The tree of a run on its own version. A step that an ended run did not reach is skipped."""
    return _tree(definition, _Run(recorded, ended), trigger_note)


@dataclass(frozen=True)
class _Run:
    recorded: Mapping[str, Recorded]
    ended: bool

    def at(self, path: str) -> Recorded:
        return self.recorded.get(path, Recorded())


def _tree(definition: Definition, run: _Run | None, trigger_note: str) -> Tree:
    numbers = iter(range(1, 10_000))
    trigger = definition.triggers[0] if definition.triggers else None
    return Tree(
        _trigger_card(trigger, "succeeded" if run else "", trigger_note),
        tuple(_cards(definition.steps, "", 1, run, numbers, skipped=False)),
    )


def _trigger_card(trigger: WebhookTrigger | None, state: str, note: str) -> Card:
    if trigger is None:
        return Card(path="", name="No trigger", subtitle="Nothing starts it", icon="webhook", level=1, state=state)
    kind = note or trigger.event or "any event"
    subtitle = f"{trigger.endpoint}, {kind}"
    return Card(path="", name="Webhook", subtitle=subtitle, icon="webhook", tint="tl-hook", level=1, state=state)


def _cards(
    steps: list[Step], prefix: str, level: int, run: _Run | None, numbers: Iterator[int], *, skipped: bool
) -> Iterator[Card]:
    for step in steps:
        path = f"{prefix}{step.key}"
        number = next(numbers)
        recorded = run.at(path) if run else Recorded()
        state = "" if run is None else recorded.state
        passed_over = skipped or bool(run and run.ended)
        if state == "pending" and passed_over:
            state = "skipped"
        routes: tuple[RouteView, ...] = ()
        if isinstance(step, BranchStep):
            routes = tuple(_routes(step, path, level, run, recorded, numbers, skipped=state == "skipped"))
        looks = _looks(step)
        yield Card(
            path=path,
            name=step.name or sentences.title(step.key),
            subtitle=f"{number} · {looks.title}",
            icon=looks.icon,
            tint=looks.tint,
            hue=looks.hue,
            level=level,
            number=number,
            state=state,
            note=_note(step, recorded),
            line=_line(state, passed_over=passed_over),
            routes=routes,
        )


def _routes(
    step: BranchStep,
    path: str,
    level: int,
    run: _Run | None,
    recorded: Recorded,
    numbers: Iterator[int],
    *,
    skipped: bool,
) -> Iterator[RouteView]:
    taken = recorded.last.route if recorded.last else None
    arms = [
        (arm.key, arm.name or sentences.title(arm.key), sentences.condition(arm.when), arm.steps) for arm in step.arms
    ]
    arms.append((OTHERWISE, "Otherwise", "", step.otherwise))
    hit = next((index for index, arm in enumerate(arms) if arm[0] == taken), None)
    for index, (key, name, condition, steps) in enumerate(arms):
        off = skipped or (taken is not None and key != taken)
        state = "" if run is None else "hit" if key == taken else "off" if off else ""
        yield RouteView(
            key=key,
            name=name,
            condition=condition,
            state=state,
            cards=tuple(_cards(steps, f"{path}/", level + 1, run, numbers, skipped=off)),
            left=_on_the_way(index - 0.25, hit, len(arms)),
            right=_on_the_way(index + 0.25, hit, len(arms)),
        )


def _on_the_way(place: float, hit: int | None, arms: int) -> bool:
    """Whether that place on the line lies between the trunk and the route that was taken."""
    trunk = (arms - 1) / 2
    return hit is not None and min(hit, trunk) < place < max(hit, trunk)


@dataclass(frozen=True)
class _Looks:
    title: str
    icon: str
    tint: str = ""
    hue: int = 264


def _looks(step: Step) -> _Looks:
    """What a step does, and its tile: a connector brings its own icon and hue."""
    match step:
        case BranchStep():
            return _Looks("Branch, first match", "alt_route", "tl-logic")
        case StopStep():
            return _Looks(f"Stop, {step.outcome}", "stop_circle", "tl-logic")
        case ActionStep():
            try:
                adapter, action = find_action(step.action)
            except LookupError:
                return _Looks(f"{step.action}, not installed", "extension_off", "tl-logic")
            does = f", {(action.label or action.name).lower()}" if len(adapter.actions) > 1 else ""
            return _Looks(f"{adapter.name}{does}", adapter.icon, "", adapter.hue)


def _note(step: Step, recorded: Recorded) -> str:
    """The short text at the card's end: how long it took, or which try this is."""
    if recorded.state == "retrying" and isinstance(step, ActionStep) and recorded.last is not None:
        if recorded.retry_due is not None:
            return f"try {recorded.last.number + 1} at {recorded.retry_due:%H:%M:%S}"
        return f"try {recorded.last.number} of {step.retry.attempts if step.retry else recorded.last.number}"
    return words.duration(recorded.seconds) if recorded.seconds is not None and not isinstance(step, BranchStep) else ""


def _line(state: str, *, passed_over: bool) -> str:
    if state in {"succeeded", "failed"}:
        return "done"
    if state in LIVE_STATES:
        return "flowing" if state != "waiting" else "done"
    return "off" if passed_over else ""


def _flat(cards: tuple[Card, ...]) -> Iterator[Card]:
    for card in cards:
        yield card
        for route in card.routes:
            yield from _flat(route.cards)


def group(attempts: list[Attempt], retries: Mapping[str, dt.datetime]) -> dict[str, Recorded]:
    """Attempts by path, oldest first; `retries` are the paths that wait for their next one, and until when."""
    by_path: dict[str, list[Attempt]] = {}
    for attempt in sorted(attempts, key=lambda attempt: attempt.number):
        by_path.setdefault(attempt.path, []).append(attempt)
    return {path: Recorded(found, retries.get(path)) for path, found in by_path.items()}
