"""Step tree: one view model for drafts and runs, which differ in fields.

Values in, values out: no queries.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automate_authoring.drafts import step_location
from automate_core.definition import step_names
from automate_core.definition.document import (
    OTHERWISE,
    TIMEOUT,
    ActionStep,
    BranchStep,
    Definition,
    ForEachStep,
    ParallelStep,
    RepeatStep,
    Step,
    Trigger,
    TryStep,
    WaitStep,
    WebhookTrigger,
)
from automate_core.definition.slots import Slot, slots
from automate_core.definition.step_paths import START, items_of, without_items
from automate_governance.texts import translated
from automate_operations.queries.loop_items import Items
from automate_plugins import text
from automate_studio.view_models import run_state, step_card
from automate_studio.view_models.event_sources import describe_source
from automate_studio.view_models.run_data import RunData, StepHistory
from automate_studio.view_models.run_state import build_run_state, describe_wait, is_slot_taken, items_progress
from automate_studio.view_models.step_card import TextPart, card_detail, card_notes, card_sentence, card_style
from automate_studio.view_models.stops import always_stops, step_always_stops
from automate_ui.describe import describe_condition, describe_trigger, step_label
from automate_ui.formatting import format_count, state_glyph, state_word

_BROKEN_OFF = {"cancelled", "interrupted"}
_ENDED_STATES = {"succeeded", "failed", "cancelled", "skipped", "interrupted"}
ONWARD = "~onward"  #: the way straight on from a step that holds steps for another end only
NO_LINE = "no-line"  #: style of the connector after a step that ends the run


@dataclass(frozen=True, kw_only=True)
class StepCard:
    """A step, or the trigger. `state` is empty in a draft; `line` styles the connector above."""

    path: str
    name: str
    subtitle: str
    icon: str
    tint: str = ""
    hue: int = 264
    detail: tuple[TextPart, ...] = ()
    sentence: str = ""  # `detail` as a text, less truncated
    more: str = ""
    level: int
    number: str = ""
    state: str = ""
    note: str = ""
    since: dt.datetime | None = None  # when what goes on began
    until: dt.datetime | None = None  # when it goes on
    share: int = 0  # of the longest step's time, in percent
    line: str = ""
    routes: tuple[RouteView, ...] = ()
    key: str = ""
    off: bool = False
    rev: int = 0
    mark: ProblemMark | None = None
    badge: TestBadge | None = None
    before: InsertPlace | None = None
    edited: bool = False
    wraps: bool = False  # what it holds is a body that it goes round, rather than ways to choose from
    parallel: bool = False  # what it holds are tracks
    holds: bool = False  # it does nothing itself but what it holds
    ends: bool = False  # no run goes on after it
    passed_over: bool = False  # turned off, or skipped by a person

    @property
    def place(self) -> str:
        """Path in the definition, without loop items."""
        return without_items(self.path)

    @property
    def items(self) -> str:
        """Numbers of the loop items around it, from 1; empty outside of loops."""
        return items_of(self.path)

    @property
    def dom_id(self) -> str:
        """Path as part of an element id, safe in selectors: `route/notify` is `route-notify`.

        The same for every item of a loop, since the page shows one at a time.
        """
        return "trigger" if self.path == START else self.place.replace("/", "-")

    @property
    def inner_id(self) -> str:
        """Element id of the connector to its contents."""
        return f"{self.dom_id}-in"

    @property
    def line_below(self) -> str:
        """Connector to its contents."""
        if self.state == "waiting":
            return ""
        if self.state in _BROKEN_OFF:  # an approval that nobody decided took none of its routes
            return "done" if any(route.state == "hit" for route in self.routes) else "off"
        return "done" if self.state in {"succeeded", "running", "failed"} else self.line

    @property
    def lets_through(self) -> bool:
        """Whether the run continued after it: it succeeded, and no route that it took ended the run."""
        ways = () if self.wraps else (route for route in self.routes if route.state == "hit")
        return self.state == "succeeded" and all(route.lets_through for route in ways)

    @property
    def glyph(self) -> str:
        """The icon of the state."""
        return state_glyph(self.state)

    @property
    def label(self) -> str:
        """Accessible name: title, and state in words."""
        said = self.mark.text if self.mark else ""
        tested = self.badge.text if self.badge else ""
        state = state_word(self.state).lower() if self.state else ""
        parts = [self.name, self.numbered, self.note, state, tested, said]
        return ", ".join(part for part in parts if part)

    @property
    def numbered(self) -> str:
        """Step kind with its number."""
        return f"{self.number} · {self.subtitle}" if self.number else self.subtitle

    @property
    def is_cut(self) -> bool:
        """Whether the card shows a part of its sentence only."""
        return self.sentence != "".join(part.text for part in self.detail)

    @property
    def description(self) -> str:
        """Accessible description: the rest of the card."""
        return ". ".join(part for part in (self.sentence, self.more) if part)


@dataclass(frozen=True, kw_only=True)
class ProblemMark:
    """Problem of a step in a draft: `level` is `error` or `warning`."""

    level: str
    text: str


@dataclass(frozen=True, kw_only=True)
class TestBadge:
    """Test state of a step in a draft: `kind` is `tested`, `described`, `failed`, `changed` or `mocked`."""

    kind: str
    text: str

    @property
    def icon(self) -> str:
        return {"tested": "check", "described": "remove", "failed": "close", "changed": "edit", "mocked": "swap_horiz"}[
            self.kind
        ]


@dataclass(frozen=True, kw_only=True)
class InsertPlace:
    """A place to insert a step: before the one at `index` of a slot. None where the tree is read-only."""

    parent: str
    slot: str
    index: int
    label: str

    @property
    def query(self) -> str:
        """Parameters of a request."""
        return urlencode({"parent": self.parent, "slot": self.slot, "index": self.index})


@dataclass(frozen=True)
class Halves:
    """The horizontal lines left and right of a route's middle."""

    left: bool = False
    right: bool = False


@dataclass(frozen=True, kw_only=True)
class RouteView:
    """A slot of a container. `state` is `hit`, `off`, or empty while it is undecided.

    Of its horizontal lines, `way_in` and `way_out` say which are on the taken way, `joins` which are drawn below it.
    """

    key: str
    name: str
    condition: str
    state: str
    cards: tuple[StepCard, ...]
    way_in: Halves = Halves()
    way_out: Halves = Halves()
    joins: Halves = Halves(left=True, right=True)
    ends: bool = False  # no run goes on after it
    goes_on: bool = False  # it is the way straight on, which holds no steps
    end: InsertPlace | None = None
    inside: str = ""  # where a step in it is, in words
    items: Items | None = None  # of a loop that runs
    track: bool = False  # one of those that run at once
    joined: bool = True  # the step that holds it has ended well

    @property
    def taken(self) -> bool:
        """Whether it was taken and others were not."""
        return self.state == "hit" and not self.track

    @property
    def item_progress(self) -> str:
        """The shown loop item: `Item 37 of 120, 2 failed`."""
        return items_progress(self.items) if self.items else ""

    @property
    def lets_through(self) -> bool:
        """Whether the run reached its end, and continued after it."""
        last = next((card for card in reversed(self.cards) if not card.passed_over), None)
        return self.joined and not self.ends and (last is None or last.lets_through)

    @property
    def line(self) -> str:
        """Style of its connectors: way in and way out, which is not taken before the run has continued."""
        if self.state == "hit" and not self.lets_through:
            return "done inside"
        return {"hit": "done", "off": "off"}.get(self.state, "")

    @property
    def cuts(self) -> str:
        """Lines below it that are not drawn, since no run goes along them."""
        cut = {"ends": self.ends, "cut-left": not self.joins.left, "cut-right": not self.joins.right}
        return " ".join(name for name, is_cut in cut.items() if is_cut)


@dataclass(frozen=True)
class StepTree:
    """The trigger's card, then the steps in reading order."""

    trigger: StepCard
    cards: tuple[StepCard, ...]
    end: InsertPlace | None = None

    def flat(self) -> Iterator[StepCard]:
        """Cards of all steps in reading order."""
        return _walk_cards(self.cards)

    @property
    def ends(self) -> bool:
        """Whether no run reaches the end of the list."""
        return any(card.ends for card in self.cards)

    @property
    def end_line(self) -> str:
        """Connector before the end."""
        if self.ends:
            return NO_LINE
        last = self.cards[-1] if self.cards else self.trigger
        if last.state == "succeeded":
            return "done" if last.lets_through else "off"
        return "off" if last.state in {"skipped", *_BROKEN_OFF} else ""


def draft_tree(definition: Definition, edited: DraftMarks | None = None) -> StepTree:
    """Tree of a definition without states; with `edited`, an editable one."""
    return _build_tree(definition, None, "", edited)


@dataclass(frozen=True)
class DraftMarks:
    """Marks of an edited draft: problems, revisions and badges of its steps by key."""

    marks: Mapping[str, ProblemMark] = field(default_factory=dict)
    trigger: ProblemMark | None = None
    revs: Mapping[str, int] = field(default_factory=dict)
    connections: Mapping[str, str] = field(default_factory=dict)  # names by slug
    runs_as: str = ""  # whom, where it is somebody else than its owner
    badges: Mapping[str, TestBadge] = field(default_factory=dict)

    def place(self, at: tuple[str, str], index: int, label: str) -> InsertPlace:
        """A place to insert a step."""
        return InsertPlace(parent=at[0], slot=at[1], index=index, label=label)


def run_tree(definition: Definition, run: RunData, trigger_note: str, source: str = "") -> StepTree:
    """Tree of a run on its own version. A step that an ended run did not reach is skipped.

    `source` is that of the run's event: a run that a person or a workflow started shows that in place of a trigger.
    """
    tree = _build_tree(definition, run, trigger_note)
    kinds = {str(trigger.__struct_config__.tag) for trigger in definition.triggers}
    kind = source.partition(":")[0]
    if kind not in _STARTED_OTHERWISE or kind in kinds:
        return tree
    shown = describe_source(source)
    return replace(tree, trigger=replace(tree.trigger, name=shown.kind, subtitle="", icon=shown.icon))


_STARTED_OTHERWISE = {"manual", "mcp", "call"}  #: sources that need no trigger


def _build_tree(
    definition: Definition, run: RunData | None, trigger_note: str, edited: DraftMarks | None = None
) -> StepTree:
    numbers = map(str, itertools.count(1))
    trigger = definition.triggers[0] if definition.triggers else None
    first = _trigger_card(trigger, "succeeded" if run else "", trigger_note)
    if run:
        first = replace(first, path=START)
    others = len(definition.triggers) - 1
    if edited:
        more = _("Runs as %(person)s") % {"person": edited.runs_as} if edited.runs_as else ""
        subtitle = first.subtitle
        if others > 0:
            words = ngettext("%(trigger)s, and %(count)s more", "%(trigger)s, and %(count)s more", others)
            subtitle = words % {"trigger": subtitle, "count": format_count(others)}
        first = replace(first, path=START, edited=True, subtitle=subtitle, mark=edited.trigger, more=more)
    if run and (wait := run.at("").waiting) and not run.ended:
        first = replace(first, more=describe_wait(wait))
    return StepTree(
        first,
        tuple(_build_cards(definition.steps, "", 1, run, numbers, skipped=False, edited=edited, at=("", ""))),
        edited.place(("", ""), len(definition.steps), _("Add step at the end")) if edited else None,
    )


def _trigger_card(trigger: Trigger | None, state: str, note: str) -> StepCard:
    if trigger is None:
        subtitle = _("Started manually or by a workflow")
        return StepCard(path="", name=_("No trigger"), subtitle=subtitle, icon="touch_app", level=1, state=state)
    name, which = describe_trigger(trigger)
    if note and isinstance(trigger, WebhookTrigger):
        which = f"{which.partition(', ')[0]}, {note}"
    icon = step_card.trigger_icon(trigger)
    if trigger.disabled:
        name = _("%(kind)s, turned off") % {"kind": name}
    return StepCard(path="", name=name, subtitle=which, icon=icon, tint="tint-hook", level=1, state=state)


def _build_cards(
    steps: list[Step],
    prefix: str,
    level: int,
    run: RunData | None,
    numbers: Iterator[str],
    *,
    skipped: bool,
    edited: DraftMarks | None,
    at: tuple[str, str],
) -> Iterator[StepCard]:
    after_stop = False
    for index, step in enumerate(steps):
        path = f"{prefix}{step.key}"
        number = next(numbers)
        ran = build_run_state(step, path, run, skipped=skipped)
        shown, title = card_style(step), step_label(step)
        yield StepCard(
            path=path,
            name=title,
            subtitle=_("%(kind)s, turned off") % {"kind": shown.title} if step.disabled else shown.title,
            icon=shown.icon,
            tint=shown.tint,
            hue=shown.hue,
            detail=card_detail(step),
            sentence=card_sentence(step),
            more=card_notes(step, edited.connections) if edited else ran.more,
            level=level,
            number=number,
            state=ran.state,
            note=ran.note,
            since=ran.since,
            until=ran.until,
            share=ran.share,
            line=NO_LINE if after_stop else ran.line,
            routes=tuple(
                _build_routes(step, path, level, run, numbers, skipped=ran.state in _ENDED_STATES, edited=edited)
            ),
            key=step.key,
            edited=edited is not None,
            off=bool(edited) and step.disabled,
            wraps=isinstance(step, ForEachStep | RepeatStep | TryStep),
            parallel=isinstance(step, ParallelStep),
            holds=isinstance(step, run_state.HOLDING),
            ends=step_always_stops(step),
            passed_over=step.disabled or (run is not None and run.at(path).state == "skipped"),
            rev=edited.revs.get(step.key, 0) if edited else 0,
            mark=edited.marks.get(step.key) if edited else None,
            badge=edited.badges.get(step.key)
            if edited
            else TestBadge(kind="changed", text=ran.changed)
            if ran.changed
            else None,
            before=edited.place(at, index, _("Add step before %(step)s") % {"step": title}) if edited else None,
        )
        after_stop = step_always_stops(step)


def _build_routes(
    step: Step,
    path: str,
    level: int,
    run: RunData | None,
    numbers: Iterator[str],
    *,
    skipped: bool,
    edited: DraftMarks | None,
) -> Iterator[RouteView]:
    always = edited is not None or not isinstance(step, ForEachStep | RepeatStep | TryStep)
    shown = [*_onward(step), *(slot for slot in slots(step) if slot.steps or always)]
    kind, title = str(step.__struct_config__.tag), step_label(step)
    items = run.items.get(path) if run else None
    prefix = f"{items.item(items.shown)}/" if items and items.shown is not None else f"{path}/"
    taken = _taken_slots(shown, prefix, run.at(path), run) if run else [False] * len(shown)
    chosen = [index for index, hit in enumerate(taken) if hit]
    ends = [always_stops(slot.steps) for slot in shown]
    open_ends = [index for index, is_end in enumerate(ends) if not is_end]
    for index, slot in enumerate(shown):
        off = skipped or (bool(chosen) and not taken[index] and not isinstance(step, TryStep | ParallelStep))
        name, condition = _slot_label(step, slot)
        takes_steps = edited is not None and slot.key != ONWARD
        yield RouteView(
            key=slot.key,
            name=name,
            condition=condition,
            state="" if run is None else "hit" if taken[index] else "off" if off else "",
            cards=tuple(
                _build_cards(
                    slot.steps, prefix, level + 1, run, numbers, skipped=off, edited=edited, at=(step.key, slot.key)
                )
            ),
            way_in=_halves(index, chosen, len(shown)),
            way_out=_halves(index, [hit for hit in chosen if not ends[hit]], len(shown)),
            joins=_drawn_halves(index, open_ends, len(shown)),
            ends=ends[index],
            goes_on=slot.key == ONWARD,
            end=edited.place((step.key, slot.key), len(slot.steps), _("Add step to %(route)s") % {"route": name})
            if edited and takes_steps
            else None,
            inside=step_location.describe_location(kind, slot.key, slot.name, title) if takes_steps else "",
            items=items,
            track=isinstance(step, ParallelStep),
            joined=run is None or run.at(path).state == "succeeded",
        )


def _onward(step: Step) -> list[Slot]:
    """The way straight on from a wait or an action that holds steps for another end; no slot of the document."""
    is_one_of_two = isinstance(step, WaitStep | ActionStep) and slots(step)
    return [Slot(ONWARD, "", [])] if is_one_of_two else []


def _taken_slots(shown: list[Slot], prefix: str, recorded: StepHistory, run: RunData) -> list[bool]:
    """The slots that the run took; the way straight on when the step succeeded without another."""
    taken = [is_slot_taken(slot, prefix, recorded, run) for slot in shown]
    went_on = recorded.state == "succeeded" and not any(taken)
    return [went_on if slot.key == ONWARD else hit for slot, hit in zip(shown, taken, strict=True)]


_SLOT_NAMES = {
    OTHERWISE: text("Otherwise"),
    TIMEOUT: text("No response in time"),
    "on_error": text("On error"),
    "always": text("Always"),
}


def _slot_label(step: Step, slot: Slot) -> tuple[str, str]:
    """(name, condition) of a slot."""
    if isinstance(step, BranchStep):
        arm = next((arm for arm in step.arms if arm.key == slot.key), None)
        condition = describe_condition(arm.when) if arm else ""
    else:
        condition = ""
    if slot.key == ONWARD:
        return _("Answered") if isinstance(step, WaitStep) else _("Succeeded"), ""
    if slot.key == "steps":
        return {ForEachStep: _("Each item"), RepeatStep: _("Repeat")}.get(type(step), _("Steps")), ""
    own = step_names.shown_name(slot.name)
    return own or translated(_SLOT_NAMES.get(slot.key, "")) or step_names.title_of_key(slot.key), condition


def _halves(index: int, hits: list[int], routes: int) -> Halves:
    """Which halves at a route are between the trunk and one of the routes `hits`."""
    trunk = (routes - 1) / 2

    def is_between(place: float) -> bool:
        return any(min(hit, trunk) < place < max(hit, trunk) for hit in hits)

    return Halves(is_between(index - 0.25), is_between(index + 0.25))


def _drawn_halves(index: int, open_ends: list[int], routes: int) -> Halves:
    """The same, and true at the outer sides, where there is nothing to draw."""
    halves = _halves(index, open_ends, routes)
    return Halves(halves.left or index == 0, halves.right or index == routes - 1)


def _walk_cards(cards: tuple[StepCard, ...]) -> Iterator[StepCard]:
    for card in cards:
        yield card
        for route in card.routes:
            yield from _walk_cards(route.cards)
