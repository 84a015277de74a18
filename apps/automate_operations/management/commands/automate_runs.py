"""List, cancel and re-run runs, retry or skip waiting steps, and set the outcome of attempts in doubt."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db.models import QuerySet
from django.utils import timezone

from automate_core.expressions import durations
from automate_core.management import lookups
from automate_core.models import ExecutionRun
from automate_core.runs import control
from automate_core.runs.tail import describe_run
from automate_core.runs.waits import approvals
from automate_core.states import RunStatus
from automate_governance.commands import EnglishCommand
from automate_governance.permissions import Person
from automate_operations.management import run_keys
from automate_operations.read_outputs import ReadOutputs, find_read_outputs


class Command(EnglishCommand):
    help = (
        "List, cancel or re-run runs, retry a waiting step now or skip it, or set the outcome of steps that wait for "
        "a review. Select runs by id or by filters. "
        "Exit code 1 when some were refused, also runs given by id that are in another state."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("verb", choices=["list", "cancel", "rerun", "retry", "skip", "review"])
        parser.add_argument("runs", nargs="*", metavar="RUN", help="ids of runs")
        parser.add_argument("--workflow", metavar="SLUG", help="runs of this workflow")
        parser.add_argument("--status", choices=RunStatus.values, help="runs in this state")
        parser.add_argument("--since", metavar="TIME", help="created since then: a time, or how long ago, such as 2h")
        parser.add_argument("--trace", metavar="ID", help="runs of this trace")
        lookups.add_limit(parser, "--before", "list: only runs older than this one")
        parser.add_argument("--as", dest="user", metavar="USER", help="acting user; default: the only superuser")
        parser.add_argument("--tests", action="store_true", help="test runs instead of runs")
        parser.add_argument("--reason", default="", help="cancel, skip, review: reason shown with the run")
        parser.add_argument("--step", metavar="PATH", help="retry, skip: the waiting step; review: only this step")
        parser.add_argument(
            "--output",
            metavar="JSON",
            help=(
                "skip, review: output of the step for later steps; without it, review --outcome succeeded leaves out "
                "runs whose later steps read it"
            ),
        )
        parser.add_argument(
            "--outcome",
            choices=approvals.REVIEWS,
            help="review: the step succeeded, failed, or failed and runs again, which may repeat its effect",
        )
        parser.add_argument(
            "--start", default="failed", metavar="STEP", help="rerun: failed (default), start, or the path of a step"
        )
        parser.add_argument("--newest", action="store_true", help="rerun: with the published version")
        parser.add_argument(
            "--again",
            action="store_true",
            help="rerun: also runs whose re-run succeeded or is in progress; repeats their effects",
        )
        parser.add_argument(
            "--unknown",
            action="store_true",
            help="rerun: also runs with a step that may have acted; its effect may be repeated",
        )
        parser.add_argument("--dry-run", action="store_true", help="only count the runs")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["user"]:
            lookups.find_person(options["user"])
        runs = _found(options)
        if options["verb"] == "list":
            self._list(runs, options)
            return
        lookups.refuse_limit(options, "before")
        if not any(options[name] for name in ("runs", "workflow", "status", "since", "trace")):
            raise CommandError("Select runs by id, --workflow, --status, --since or --trace.", returncode=2)
        by, read = lookups.find_person(options["user"]), ReadOutputs()
        if options["verb"] in {"retry", "skip"}:
            done = _at_step(runs, by, options)
        elif options["verb"] == "review":
            read = _read_outputs(runs, options)
            done = _review(runs.exclude(pk__in=read.runs), by, options)
        elif options["verb"] == "cancel":
            done = control.cancel_many(runs, by, reason=options["reason"], dry_run=options["dry_run"])
        else:
            version: control.Version = "newest" if options["newest"] else "original"
            chosen = {name: options[name] for name in ("start", "again", "unknown", "dry_run")}
            done = control.rerun_many(runs, by, version=version, **chosen)
        if options["runs"]:
            done.refused |= {str(run): "Later steps read the output: add --output." for run in read.runs}
            _refuse_unsuitable(runs, done, options["verb"])
        self._report(options, done, read)

    def _list(self, runs: QuerySet[ExecutionRun], options: dict[str, Any]) -> None:
        if options["before"]:
            runs = runs.filter(pk__lt=run_keys.read_run_key(options["before"]))
        for run in lookups.list_limited(self, runs.select_related("workflow"), options["limit"], "--before", "runs"):
            self.stdout.write(f"{run.pk} {run.created_at:%Y-%m-%d %H:%M:%S} {describe_run(run)}")

    def _report(self, options: dict[str, Any], done: control.BulkResult, read: ReadOutputs) -> None:
        verb = _DONE[options["verb"]]
        left_out = f". {done.left_out.words}" if done.left_out.words else ""
        self.stdout.write(f"{done.done} {'would be ' if options['dry_run'] else ''}{verb}{left_out}")
        if read.runs:
            self.stdout.write(f"{read.words} Or add --output: all of these runs get the same.")
        if done.left_out.by_choice:
            self.stdout.write("Add --again to re-run them as well. Their effects are repeated.")
        if done.left_out.unknown:
            self.stdout.write(
                "Check at the service whether it acted. Add --unknown to re-run them as well: they send the same"
                " idempotency key, and a service that ignores it repeats the effect."
            )
        for run_id, reason in done.refused.items():
            self.stderr.write(f"{run_id}: {reason}")
        if done.refused:
            raise CommandError(f"{len(done.refused)} refused", returncode=1)


_DONE = {
    "cancel": "cancelled",
    "rerun": "re-run",
    "retry": "retried now",
    "skip": "skipped",
    "review": "reviewed",
}


_UNSUITABLE = {
    "cancel": "This run has already ended.",
    "rerun": "This run has not ended.",
    "retry": "This run does not wait for the next attempt of the step.",
    "skip": "This run does not wait at the step.",
    "review": "No step of this run waits for a review.",
}


def _refuse_unsuitable(runs: QuerySet[ExecutionRun], done: control.BulkResult, verb: str) -> None:
    """Give the reason for each run that was named by id and that the verb does not apply to."""
    for run_id in runs.exclude(pk__in=done.suitable).order_by("pk").values_list("pk", flat=True):
        done.refused.setdefault(str(run_id), _UNSUITABLE[verb])


def _review(runs: QuerySet[ExecutionRun], by: Person, options: dict[str, Any]) -> control.BulkResult:
    """Raises CommandError."""
    if options["outcome"] is None:
        raise CommandError(f"Choose the outcome: --outcome {', '.join(approvals.REVIEWS)}", returncode=2)
    chosen = {name: options[name] for name in ("outcome", "reason", "dry_run")}
    return control.set_outcome_many(runs, by, step=options["step"] or "", output=_output(options), **chosen)


def _read_outputs(runs: QuerySet[ExecutionRun], options: dict[str, Any]) -> ReadOutputs:
    """Those of the runs that the given outcome leaves out."""
    if options["outcome"] != "succeeded" or options["output"] is not None:
        return ReadOutputs()
    waiting = runs.filter(status=RunStatus.WAITING).values_list("pk", flat=True)
    return find_read_outputs(list(waiting), options["step"] or "")


def _at_step(runs: QuerySet[ExecutionRun], by: Person, options: dict[str, Any]) -> control.BulkResult:
    """Raises CommandError."""
    path, dry_run = options["step"], options["dry_run"]
    if not path:
        raise CommandError("Choose the step: --step PATH", returncode=2)
    if options["verb"] == "retry":
        return control.retry_step_now_many(runs, path, by, dry_run=dry_run)
    output = _output(options)
    return control.skip_step_many(runs, path, by, output=output, reason=options["reason"], dry_run=dry_run)


def _output(options: dict[str, Any]) -> Any:
    """Raises CommandError."""
    try:
        return json.loads("null" if options["output"] is None else options["output"])
    except (ValueError, RecursionError) as error:
        raise CommandError(f"--output is not valid JSON: {error}", returncode=2) from error


def _found(options: dict[str, Any]) -> QuerySet[ExecutionRun]:
    """The runs that the arguments name. Raises CommandError."""
    runs = ExecutionRun.objects.all()
    if options["runs"]:
        keys = [run_keys.read_run_key(each) for each in options["runs"]]
        lookups.check_ids_exist(ExecutionRun, keys, "run")
        runs = runs.filter(pk__in=keys)
    elif options["tests"]:
        runs = runs.filter(cause=ExecutionRun.Cause.TEST)
    else:
        runs = runs.exclude(cause=ExecutionRun.Cause.TEST)
    if options["workflow"]:
        runs = runs.filter(workflow=lookups.find_workflow(options["workflow"]))
    if options["status"]:
        runs = runs.filter(status=options["status"])
    if options["trace"]:
        runs = runs.filter(trace_id=options["trace"])
        if not ExecutionRun.objects.filter(trace_id=options["trace"]).exists():
            raise CommandError(f"No run has the trace {options['trace'][:100]!r}.", returncode=2)
    if options["since"]:
        runs = runs.filter(created_at__gte=_since(options["since"]))
    return runs


def _since(text: str) -> dt.datetime:
    try:
        if re.match(r"\d{4}-", text):
            moment = dt.datetime.fromisoformat(text)
            return moment if moment.tzinfo else timezone.make_aware(moment)
        return timezone.now() - dt.timedelta(seconds=durations.parse_duration(text))
    except (ValueError, OverflowError):
        raise CommandError(
            "--since must be a time such as 2026-05-31T12:00 or a duration such as 2h.", returncode=2
        ) from None
