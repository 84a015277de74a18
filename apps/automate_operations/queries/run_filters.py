"""Filters of the runs: read from a query, for lists, exports and bulk actions."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from automate_core.events import search_terms
from automate_core.expressions import durations
from automate_core.models import ExecutionRun, Wait
from automate_core.states import RunStatus
from automate_governance.texts import translated
from automate_operations.queries.trace_ids import TRACE_BEGINNING, hexadecimal
from automate_plugins import text

MOST_CHOSEN = 50  #: values of one filter
PERIODS = {
    "1h": text("Last hour"),
    "24h": text("Last 24 hours"),
    "today": text("Today"),
    "yesterday": text("Yesterday"),
    "7d": text("Last 7 days"),
    "30d": text("Last 30 days"),
}
TABS: dict[str, tuple[str, tuple[str, ...]]] = {
    "": (text("All runs"), ()),
    "attention": (text("Needs attention"), (RunStatus.FAILED, RunStatus.WAITING)),  # see run_conditions
    "running": (text("Running"), (RunStatus.QUEUED, RunStatus.RUNNING)),
    "waiting": (text("Waiting"), (RunStatus.WAITING,)),
    "succeeded": (text("Succeeded"), (RunStatus.SUCCEEDED,)),
    "tests": (text("Tests"), ()),
}
STATUSES = {
    RunStatus.QUEUED.value: text("Queued"),
    RunStatus.RUNNING.value: text("Running"),
    RunStatus.WAITING.value: text("Waiting"),
    RunStatus.SUCCEEDED.value: text("Succeeded"),
    RunStatus.FAILED.value: text("Failed"),
    RunStatus.CANCELLED.value: text("Cancelled"),
}
REASONS = {
    Wait.Kind.APPROVAL.value: text("An approval"),
    Wait.Kind.TIMER.value: text("A time"),
    Wait.Kind.CALLBACK.value: text("A callback"),
    Wait.Kind.FORM.value: text("The answer to a form"),
    Wait.Kind.RETRY.value: text("The next attempt"),
    Wait.Kind.CHILD.value: text("A sub-run"),
    Wait.Kind.SLOT.value: text("A concurrency slot"),
    Wait.Kind.PAUSED.value: text("A paused or stopped workflow"),
    Wait.Kind.RECONNECT.value: text("A connection to reconnect"),
    Wait.Kind.LIMIT.value: text("A connection's rate limit"),
    Wait.Kind.REVIEW.value: text("A review"),
    Wait.Kind.POOL.value: text("A pool"),
}
ORIGINS = {
    ExecutionRun.Origin.WEBHOOK.value: text("Webhook"),
    ExecutionRun.Origin.SCHEDULE.value: text("Schedule"),
    ExecutionRun.Origin.MODEL.value: text("Model change"),
    ExecutionRun.Origin.MANUAL.value: text("Manual"),
    ExecutionRun.Origin.EVENT.value: text("Event from code"),
    ExecutionRun.Origin.API.value: text("Event from the API"),
    ExecutionRun.Origin.RUN.value: text("Workflow ended"),
    ExecutionRun.Origin.CALL.value: text("Sub-run"),
    ExecutionRun.Origin.MCP.value: text("AI agent"),
    ExecutionRun.Origin.POLL.value: text("Poll"),
    ExecutionRun.Origin.SERVICE.value: text("Service webhook"),
    ExecutionRun.Origin.FORM.value: text("Form"),
    ExecutionRun.Origin.MAIL.value: text("Email"),
}

RERUNS = {"none": text("Not yet"), "any": text("Already done")}

WITH_ERRORS = (RunStatus.FAILED, RunStatus.CANCELLED)

_DAYS_BACK = {"today": 0, "yesterday": 1}  #: periods that are calendar days of the active time zone

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_TERM = re.compile(r"(?P<name>[a-z][a-z0-9_]{0,63}):(?P<value>.+)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class RunFilters:
    """`params` are the readable parameters in their short form; `problems` explain the others, by their names."""

    params: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def tab(self) -> str:
        """Name of the tab: a key of TABS."""
        return self.params.get("show", "")

    def many(self, name: str) -> list[str]:
        """Values of a filter with several values."""
        return self.params[name].split(",") if name in self.params else []

    @cached_property
    def term(self) -> tuple[str, str] | None:
        """(name, value) of the search term."""
        match = _TERM.fullmatch(self.params.get("term", ""))
        return (match["name"], search_terms.normalize_term(match["value"])) if match else None

    @property
    def bulk(self) -> uuid.UUID | None:
        """Bulk action whose runs are shown."""
        return uuid.UUID(self.params["bulk"]) if "bulk" in self.params else None

    def seconds(self, name: str) -> float | None:
        """Value of `longer` or `shorter`."""
        return durations.parse_duration(self.params[name]) if name in self.params else None

    @property
    def ended_from(self) -> dt.datetime | None:
        """Time since which the runs ended."""
        return _parse_moment(self.params.get("ended", ""))

    def period(self, now: dt.datetime) -> tuple[dt.datetime | None, dt.datetime | None]:
        """Period in which the runs were created."""
        if "since" in self.params:
            return find_period(self.params["since"], now)
        return _parse_moment(self.params.get("from", "")), _parse_moment(self.params.get("to", ""))


def find_period(name: str, now: dt.datetime) -> tuple[dt.datetime, dt.datetime | None]:
    """Start of a period of PERIODS, and the moment after its last one; None for a period that lasts until now."""
    if name not in _DAYS_BACK:
        return now - dt.timedelta(seconds=durations.parse_duration(name)), None
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    start = midnight - dt.timedelta(days=_DAYS_BACK[name])  # the same time of day, also when clocks changed
    return start.astimezone(dt.UTC), midnight.astimezone(dt.UTC) if _DAYS_BACK[name] else None


def parse_run_filters(query: Mapping[str, Any]) -> RunFilters:
    """Filters of a query: a `QueryDict`, or a mapping of texts."""
    kept: dict[str, str] = {}
    problems: dict[str, str] = {}
    for name, understand in _PARAMETERS.items():
        given = [part for value in _query_values(query, name) if (part := value.replace("\0", "").strip())]
        if not given:
            continue
        try:
            kept[name] = understand(given)
        except (ValueError, OverflowError) as error:
            problems[name] = translated(str(error))
    if "since" in kept:
        kept.pop("from", None)
        kept.pop("to", None)
    return RunFilters(params={name: value for name, value in kept.items() if value}, problems=problems)


def _query_values(query: Mapping[str, Any], name: str) -> list[str]:
    found: Any = query.getlist(name) if hasattr(query, "getlist") else [query.get(name) or ""]
    return [str(value)[:2_000] for value in found]


def _single_value(known: Iterable[str], problem: str) -> Callable[[list[str]], str]:
    def understand(given: list[str]) -> str:
        if given[-1] not in known:
            raise ValueError(translated(problem) % {"value": repr(given[-1][:40])})
        return given[-1]

    return understand


def _several_values(known: Mapping[str, str], problem: str) -> Callable[[list[str]], str]:
    def understand(given: list[str]) -> str:
        chosen = dict.fromkeys(part for value in given for part in value.split(",") if part)
        if unknown := [part for part in chosen if part not in known]:
            raise ValueError(translated(problem) % {"value": repr(unknown[0][:40])})
        return ",".join(part for part in known if part in chosen)

    return understand


def _parse_slugs(given: list[str]) -> str:
    chosen = dict.fromkeys(part for value in given for part in value.split(",") if part)
    if len(chosen) > MOST_CHOSEN:
        raise ValueError(_("Choose at most %(limit)s workflows.") % {"limit": MOST_CHOSEN})
    if unknown := [part for part in chosen if not _SLUG.fullmatch(part)]:
        raise ValueError(_("%(value)s is not the slug of a workflow.") % {"value": repr(unknown[0][:40])})
    return ",".join(chosen)


def _parse_text(given: list[str]) -> str:
    return given[-1][:100]


def _parse_version(given: list[str]) -> str:
    text = given[-1].removeprefix("v")
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 2**31):
        raise ValueError(_("%(value)s is not a version number.") % {"value": repr(given[-1][:40])})
    return str(int(text))


def _parse_span(given: list[str]) -> str:
    durations.parse_duration(given[-1])
    return given[-1][:40]


def _parse_time(given: list[str]) -> str:
    if _parse_moment(given[-1]) is None:
        message = _("%(value)s is not a valid time. Use the format %(example)s.")
        raise ValueError(message % {"value": repr(given[-1][:40]), "example": "2026-11-25T14:30"})
    return given[-1]


def _parse_moment(text: str) -> dt.datetime | None:
    """A time of the active time zone."""
    try:
        found = dt.datetime.fromisoformat(text)
        moment = found if found.tzinfo else timezone.make_aware(found)
    except (ValueError, OverflowError):
        return None
    return moment if 1970 <= moment.year < 9000 else None


def _parse_hexadecimal(problem: str, least: int) -> Callable[[list[str]], str]:
    def understand(given: list[str]) -> str:
        text = hexadecimal(given[-1])
        if not least <= len(text) <= 32:
            raise ValueError(translated(problem) % {"least": least})
        return text

    return understand


def _parse_run(given: list[str]) -> str:
    digits = _parse_hexadecimal(text("A run ID has %(least)s to 32 digits from 0 to 9 and a to f."), 8)(given)
    if len(digits) not in {8, 32}:
        raise ValueError(_("Enter a complete run ID or its last eight digits."))
    return digits


def _parse_term(given: list[str]) -> str:
    """`name:value`, or the two as a form posts them."""
    text = given[-1] if len(given) == 1 else f"{given[0]}:{given[1]}"
    if not _TERM.fullmatch(text):
        raise ValueError(
            _("Enter a search term as name:value, for example %(example)s.") % {"example": "order_no:1001"}
        )
    return text[: 64 + 1 + search_terms.LONGEST]


def _parse_identifier(given: list[str]) -> str:
    try:
        return str(uuid.UUID(given[-1]))
    except ValueError:
        raise ValueError(_("This bulk action does not exist.")) from None


_PARAMETERS: dict[str, Callable[[list[str]], str]] = {
    "show": _single_value(TABS, text("Unknown tab: %(value)s. Choose one from the list.")),
    "q": _parse_text,
    "status": _several_values(STATUSES, text("Unknown status: %(value)s. Choose one from the list.")),
    "reason": _several_values(REASONS, text("Unknown wait reason: %(value)s. Choose one from the list.")),
    "rerun": _several_values(RERUNS, text("Unknown re-run filter: %(value)s. Choose one from the list.")),
    "workflow": _parse_slugs,
    "origin": _several_values(ORIGINS, text("Unknown trigger type: %(value)s. Choose one from the list.")),
    "version": _parse_version,
    "since": _single_value(PERIODS, text("Unknown period: %(value)s. Choose one from the list.")),
    "from": _parse_time,
    "to": _parse_time,
    "ended": _parse_time,
    "longer": _parse_span,
    "shorter": _parse_span,
    "error": _parse_text,
    "term": _parse_term,
    "trace": _parse_hexadecimal(text("A trace ID has %(least)s to 32 digits from 0 to 9 and a to f."), TRACE_BEGINNING),
    "run": _parse_run,
    "bulk": _parse_identifier,
}
