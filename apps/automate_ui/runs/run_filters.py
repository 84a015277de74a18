"""Filters of the run list: read from its URL, written back into URLs and chips."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import gettext as _

from automate_governance.texts import translated
from automate_operations.queries.run_filters import (
    ORIGINS,
    PERIODS,
    REASONS,
    RERUNS,
    STATUSES,
    RunFilters,
    parse_run_filters,
)
from automate_plugins import text
from automate_ui.formatting import as_sentence, format_duration, format_local
from automate_ui.navigation.lists import Query, query_string


@dataclass(frozen=True, kw_only=True)
class Chip:
    """A filter above the list: `names` are its parameters."""

    kind: str
    label: str
    value: str
    names: tuple[str, ...]
    remove: str
    hidden: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Filters(RunFilters):
    """Filters with the URLs and chips that show them."""

    def address(self, **changed: str) -> str:
        """URL of the list with changed parameters, without empty ones."""
        return query_string({**self.params, **changed})

    def without(self, names: Iterable[str]) -> dict[str, str]:
        """Parameters without those."""
        return {name: value for name, value in self.params.items() if name not in set(names)}

    @property
    def is_narrowed(self) -> bool:
        """Whether there is a filter to clear."""
        return bool(self.params)

    def chips(self, names: Mapping[str, str]) -> list[Chip]:
        """Set filters in the order of the row. `names` are workflow names by slug."""
        return [
            Chip(
                kind=kind,
                label=translated(label),
                value=say(self, names),
                names=parts,
                remove=query_string(self.without(parts)),
                hidden=self.without(parts),
            )
            for kind, (label, parts, say) in CHIPS.items()
            if any(part in self.params for part in parts)
        ]


def parse_filters(query: Query) -> Filters:
    """Filters of a query, and problems as sentences."""
    found = parse_run_filters(query)
    problems = {name: as_sentence(problem) for name, problem in found.problems.items()}
    return Filters(params=found.params, problems=problems)


# --- in words ---------------------------------------------------------------------------------------------------------


def _value_label(name: str, known: Mapping[str, str]) -> Callable[[Filters, Mapping[str, str]], str]:
    return lambda filters, _names: ", ".join(translated(known[value]) for value in filters.many(name))


def _plain_label(name: str) -> Callable[[Filters, Mapping[str, str]], str]:
    return lambda filters, _names: filters.params[name]


def _workflow_label(filters: Filters, names: Mapping[str, str]) -> str:
    return ", ".join(names.get(slug, slug) for slug in filters.many("workflow"))


def _period_label(filters: Filters, _names: Mapping[str, str]) -> str:
    if "since" in filters.params:
        return translated(PERIODS[filters.params["since"]])
    start, end = filters.period(timezone.now())
    values = {"start": format_local(start) if start else "", "end": format_local(end) if end else ""}
    if start and end:
        return _("from %(start)s to %(end)s") % values
    return (_("from %(start)s") if start else _("to %(end)s")) % values


def _ended_label(filters: Filters, _names: Mapping[str, str]) -> str:
    return _("from %(start)s") % {"start": format_local(filters.ended_from) if filters.ended_from else ""}


def _duration_label(filters: Filters, _names: Mapping[str, str]) -> str:
    longer, shorter = filters.seconds("longer"), filters.seconds("shorter")
    values = {"least": format_duration(longer), "most": format_duration(shorter)}
    if longer is not None and shorter is not None:
        return _("%(least)s to %(most)s") % values
    return (_("at least %(least)s") if longer is not None else _("at most %(most)s")) % values


def _term_label(filters: Filters, _names: Mapping[str, str]) -> str:
    return ": ".join(filters.term or ())


CHIPS: dict[str, tuple[str, tuple[str, ...], Callable[[Filters, Mapping[str, str]], str]]] = {
    "status": (text("Status is"), ("status",), _value_label("status", STATUSES)),
    "rerun": (text("Re-run status"), ("rerun",), _value_label("rerun", RERUNS)),
    "time": (text("Started"), ("since", "from", "to"), _period_label),
    "ended": (text("Ended"), ("ended",), _ended_label),
    "workflow": (text("Workflow is"), ("workflow",), _workflow_label),
    "origin": (text("Trigger is"), ("origin",), _value_label("origin", ORIGINS)),
    "reason": (text("Waiting for"), ("reason",), _value_label("reason", REASONS)),
    "version": (text("Version is"), ("version",), lambda filters, _names: f"v{filters.params['version']}"),
    "took": (text("Duration"), ("longer", "shorter"), _duration_label),
    "error": (text("Error contains"), ("error",), _plain_label("error")),
    "term": (text("Search term"), ("term",), _term_label),
    "trace": (text("Trace starts with"), ("trace",), _plain_label("trace")),
    "run": (text("Run is"), ("run",), _plain_label("run")),
    "bulk": (text("Created by"), ("bulk",), lambda *_given: _("a bulk action")),
}
