"""Results of test runs, of one step or of all steps."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db.models import F, Func, QuerySet, TextField, Value
from django.db.models.fields.json import KeyTextTransform
from django.utils.translation import gettext as _

from automate_authoring.drafts import parsing, rows, step_location
from automate_authoring.drafts.values import Draft
from automate_authoring.test_runs.samples import HELD_BACK, MAX_ROWS, is_held_back
from automate_authoring.test_runs.start import KEPT
from automate_authoring.test_runs.workflow_part import step_digests
from automate_core.definition.document import Definition
from automate_core.definition.slots import walk
from automate_core.definition.step_paths import key_in
from automate_core.models import ExecutionRun, ForeseenEffect, RunLog, StepRun, StepSample, Workflow
from automate_core.states import FINAL_RUN_STATES, StepStatus


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """Result of one step in one test run. `effects` are those that a dry run held back."""

    run: ExecutionRun
    step: StepRun | None
    effects: list[dict[str, Any]] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)  # lines of the log that a reader must not miss

    @property
    def terms(self) -> dict[str, Any]:
        """The terms of the test."""
        terms: dict[str, Any] = self.run.version.test or {}
        return terms

    @property
    def has_ended(self) -> bool:
        """Whether nothing more comes."""
        return self.run.status in FINAL_RUN_STATES

    @property
    def state(self) -> str:
        """The step's state, of one that was not reached yet the run's; `skipped` when it never will be."""
        if self.step is not None:
            return str(self.step.status)
        return "skipped" if self.run.status == "succeeded" else str(self.run.status)

    @property
    def error(self) -> dict[str, Any] | None:
        """Error of the step, else of the run that failed before it."""
        error: dict[str, Any] | None = (self.step.error if self.step else None) or self.run.error
        return error

    @property
    def is_described(self) -> bool:
        """Whether a description stands in place of the step's call."""
        return any(effect.get("kind") in HELD_BACK for effect in self.effects)

    @property
    def seconds(self) -> float | None:
        """Duration of the step."""
        if self.step is None or self.step.finished_at is None:
            return None
        return (self.step.finished_at - self.step.started_at).total_seconds()


@dataclass(frozen=True, kw_only=True)
class LatestTest:
    """The latest test of a step in its current form, else of an earlier form (`changed`)."""

    at: dt.datetime
    passed: bool
    changed: bool
    performed: bool = True  # whether it did what it says, rather than only say so


def runs_of_tests(workflow: Workflow) -> QuerySet[ExecutionRun]:
    """The test runs of a workflow, newest first, without the snapshots' definitions."""
    runs = ExecutionRun.objects.filter(workflow=workflow, cause=ExecutionRun.Cause.TEST)
    return runs.select_related("version", "workflow").defer("version__definition").order_by("-id")


def results_of_step(workflow: Workflow, key: str) -> list[StepResult]:
    """The last results of a step, newest first, without inputs and outputs: of tests that were about it, and of those
    that passed through it. Two queries.
    """
    rows = _rows(key).filter(run__workflow=workflow, run__cause=ExecutionRun.Cause.TEST)
    rows = rows.select_related("run__version", "run__workflow").defer("run__version__definition", "input", "output")
    found: dict[uuid.UUID, StepResult] = {}
    for row in rows.order_by("-run", "-id")[: KEPT * 20]:
        found.setdefault(row.run_id, StepResult(run=row.run, step=row))
    for run in runs_of_tests(workflow).filter(version__test__step=key)[:KEPT]:
        found.setdefault(run.pk, StepResult(run=run, step=None))
    return sorted(found.values(), key=lambda result: result.run.pk, reverse=True)[:KEPT]


def results_of_workflow(workflow: Workflow) -> list[StepResult]:
    """The last tests of the whole workflow, newest first."""
    return [
        StepResult(run=run, step=None) for run in runs_of_tests(workflow).filter(version__test__scope="whole")[:KEPT]
    ]


def result_in_run(run: ExecutionRun, key: str) -> StepResult:
    """Complete result of a step in one test run."""
    step = _rows(key).filter(run=run).order_by("-id").first() if key else None
    if step is None:
        return StepResult(run=run, step=None)
    effects = ForeseenEffect.objects.filter(run=run, path=step.path, attempt=step.attempt)
    lines = RunLog.objects.filter(run=run, path=step.path, attempt=step.attempt).order_by("id")
    logs = list(lines.values_list("level", "message")[:50])
    return StepResult(
        run=run,
        step=step,
        effects=next(iter(effects.values_list("effects", flat=True)), []),
        logs=[message for _, message in logs],
        warnings=[message for level, message in logs if level == "warning" and step.status == "succeeded"],
    )


def _rows(key: str) -> QuerySet[StepRun]:
    """The attempts of a step, wherever it stands."""
    return StepRun.objects.alias(key=key_in("path")).filter(key=key)


def latest_tests(workflow: Workflow, definition: Definition) -> dict[str, LatestTest]:
    """The latest test of each step of the draft's definition, by key, without previews. One query.

    Tests of what it now says come before later ones of what it said then, whichever way it went from one to the other;
    and tests that performed the step before later ones that only described it.
    """
    present = step_digests(definition.steps)
    kinds = {step.key: str(step.__struct_config__.tag) for _, step in walk(definition.steps)}
    rows = StepRun.objects.filter(
        run__workflow=workflow,
        run__cause=ExecutionRun.Cause.TEST,
        status__in=[StepStatus.SUCCEEDED, StepStatus.FAILED],
        finished_at__isnull=False,
    ).exclude(run__version__test__mode="preview")
    found: dict[str, LatestTest] = {}
    content = Func(
        F("run__version__test"),
        Value("content"),
        F("key"),
        function="jsonb_extract_path_text",
        output_field=TextField(),
    )
    rows = rows.annotate(
        key=key_in("path"),
        content=content,
        mode=KeyTextTransform("mode", F("run__version__test")),
        is_held_back=is_held_back(),
    ).order_by("-id")
    columns = ("key", "status", "finished_at", "content", "mode", "is_held_back")
    for key, status, at, tested, mode, described in rows.values_list(*columns)[:MAX_ROWS]:
        if at is None or key not in present:
            continue
        passed, changed = status == StepStatus.SUCCEEDED, tested != present[key]
        held_back = passed and (described or is_passed_over(kinds[key], mode))
        each = LatestTest(at=at, passed=passed, changed=changed, performed=not held_back)
        if key not in found or _precedence(each) > _precedence(found[key]):
            found[key] = each
    return found


def is_passed_over(kind: str, mode: str) -> bool:
    """Whether tests of that mode do not perform steps of that kind: only a real run waits and starts workflows."""
    return mode != "real" and kind in {"wait", "workflow"}


def _precedence(test: LatestTest) -> tuple[bool, bool]:
    return not test.changed, test.performed


def is_outdated(workflow: Workflow, result: StepResult, key: str) -> bool:
    """Whether the step, or with an empty key any step of the draft, says something else than in that test."""
    present = step_digests(parsing.parse_draft(rows.load_draft(workflow)).definition.steps)
    tested: dict[str, str] = result.terms.get("content") or {}
    return tested.get(key) != present.get(key) if key else tested != present


def mocked_keys(workflow: Workflow) -> set[str]:
    """The keys of the steps that tests do not run, since there is a mock."""
    mocks = StepSample.objects.filter(workflow=workflow, kind=StepSample.Kind.MOCK)
    return set(mocks.values_list("key", flat=True))


def untested_warning(workflow: Workflow, definition: Definition, draft: Draft) -> str:
    """A warning for who publishes: steps never tested, changed since, or whose last test failed; else empty."""
    known = latest_tests(workflow, definition)
    steps = [step for _, step in walk(definition.steps) if not step.disabled]
    names = step_location.distinct_names(draft)
    never = [names[step.key] for step in steps if step.key not in known and step.key in names]
    changed = [names[step.key] for step in steps if step.key in known and step.key in names and known[step.key].changed]
    tests = {key: test for key, test in known.items() if key in names and not test.changed}
    failed = [names[step.key] for step in steps if step.key in tests and not tests[step.key].passed]
    if steps and len(never) == len(steps):
        return _("This draft was never tested. Run a test before you publish.")
    warnings = [_("Not tested: %(names)s.") % {"names": _named(never)}] if never else []
    warnings += [_("Changed since the last test: %(names)s.") % {"names": _named(changed)}] if changed else []
    warnings += [_("The last test failed: %(names)s.") % {"names": _named(failed)}] if failed else []
    return " ".join(warnings)


def _named(names: Iterable[str]) -> str:
    first, more = list(names)[:3], len(list(names)) - 3
    listed = ", ".join(first)
    return _("%(names)s and %(count)s more") % {"names": listed, "count": more} if more > 0 else listed
