"""Past samples: a value absent from some of them is sometimes missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import F, Func, IntegerField
from django.db.models.expressions import Combinable

from automate_authoring.drafts.commands import DraftState
from automate_core.definition.step_paths import key_of
from automate_core.expressions.json_path import Path
from automate_core.models import StepRun
from automate_governance.permissions import Person
from automate_studio.samples.samples import readable_triggers, trigger_events, workflow_runs

MAX_SAMPLES = 5  #: how many earlier events and runs are looked at
MAX_BYTES = 50_000  #: of one of them, as it is stored


def past_samples(state: DraftState, person: Person, shown: Mapping[str, Any], keys: list[str]) -> dict[Path, list[Any]]:
    """Earlier payloads and outputs of these steps, by path."""
    found: dict[Path, list[Any]] = {("event", "payload"): _past_payloads(state, person, shown)}
    for key, values in _past_outputs(state, keys).items():
        found[("steps", key, "output")] = values
    return found


def _past_payloads(state: DraftState, person: Person, shown: Mapping[str, Any]) -> list[Any]:
    events = trigger_events(readable_triggers(state, person), state.workflow)
    small = events.alias(size=_stored_size("payload")).filter(size__lt=MAX_BYTES)
    newest = small.values_list("pk", "payload")[: MAX_SAMPLES + 1]
    return [payload for pk, payload in newest if str(pk) != shown.get("id")][:MAX_SAMPLES]


def _past_outputs(state: DraftState, keys: list[str]) -> dict[str, list[Any]]:
    if not keys:
        return {}
    runs = list(workflow_runs(state.workflow).values_list("pk", flat=True)[:MAX_SAMPLES])
    rows = StepRun.objects.filter(run__in=runs, status="succeeded", output_file=None)
    paths = dict(rows.values_list("pk", "path")[: MAX_SAMPLES * 1_000])
    wanted = {pk: key for pk, path in paths.items() if (key := key_of(path)) in keys}
    found: dict[str, list[Any]] = {}
    small = rows.filter(pk__in=wanted).alias(size=_stored_size("output")).filter(size__lt=MAX_BYTES)
    for pk, output in small.values_list("pk", "output")[: MAX_SAMPLES * 10]:
        found.setdefault(wanted[pk], []).append(output)
    return found


def _stored_size(name: str) -> Combinable:
    return Func(F(name), function="pg_column_size", output_field=IntegerField())
