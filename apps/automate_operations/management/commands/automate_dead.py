"""List and requeue dead jobs."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from automate_core.management import lookups
from automate_core.models import ExecutionRun, OutboxJob
from automate_core.runs import doubts
from automate_core.runs.control import ControlError
from automate_governance.commands import EnglishCommand
from automate_governance.permissions import NotPermittedError
from automate_operations import dead_jobs


class Command(EnglishCommand):
    help = "List dead jobs that were not requeued yet, or requeue them. Exit code 1 when some were refused."

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--requeue", metavar="ID", help="requeue this job")
        which.add_argument("--all", action="store_true", help="requeue all dead jobs")
        parser.add_argument(
            "--unknown",
            action="store_true",
            help="also runs with a step of unknown outcome, whose effect may be repeated; check at the service before",
        )
        lookups.add_limit(parser, "--after", "list: only jobs newer than this one")
        parser.add_argument("--as", dest="user", metavar="USER", help="acting user; default: the only superuser")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["user"]:
            lookups.find_person(options["user"])
        if not options["requeue"] and not options["all"]:
            dead = dead_jobs.requeueable_jobs()
            if options["after"]:
                dead = dead.filter(pk__gt=lookups.read_key(options["after"], "job"))
            for job in lookups.list_limited(self, dead, options["limit"], "--after", "jobs"):
                self.stdout.write(f"{job.pk} {job.kind} {_subject(job)}: {job.last_error or 'unknown reason'}")
            return
        lookups.refuse_limit(options, "after")
        by = lookups.find_person(options["user"])
        refused = 0
        jobs, unknown = _chosen(options["requeue"]), 0
        if options["all"] and not options["unknown"]:
            jobs, unknown = _without_unknown_outcomes(jobs)
        for job in jobs:
            try:
                new = dead_jobs.requeue_job(job, by, unknown=options["unknown"])
                self.stdout.write(f"{job.pk}: {'run' if isinstance(new, ExecutionRun) else 'job'} {new.pk}")
            except (ControlError, NotPermittedError) as error:
                refused += 1
                self.stderr.write(f"{job.pk}: {error}")
        if options["all"]:
            self.stdout.write(_total(len(jobs) - refused, unknown))
        if refused:
            raise CommandError(f"{refused} refused", returncode=1)


def _chosen(job_id: str | None) -> list[OutboxJob]:
    """The job of that id, or all that are dead. Raises CommandError."""
    if job_id is None:
        return list(dead_jobs.requeueable_jobs())
    key = lookups.read_key(job_id, "job")
    lookups.check_ids_exist(OutboxJob, [key], "job")
    return list(OutboxJob.objects.filter(pk=key))


def _without_unknown_outcomes(jobs: list[OutboxJob]) -> tuple[list[OutboxJob], int]:
    """The jobs whose run has no step of unknown outcome, and the number of the others."""
    in_doubt = doubts.unknown_outcomes([job.run_id for job in jobs if job.run_id])
    kept = [job for job in jobs if job.run_id not in in_doubt]
    return kept, len(jobs) - len(kept)


def _total(requeued: int, unknown: int) -> str:
    if not unknown:
        return f"{requeued} requeued"
    return (
        f"{requeued} requeued, {unknown} left out: the outcome of a step is unknown. Check at the service whether it"
        " acted, then add --unknown: the same idempotency key is sent, and a service that ignores it repeats it."
    )


def _subject(job: OutboxJob) -> str:
    if job.run is not None:
        return f"{job.run.workflow.slug} {job.run.pk}"
    return str(job.event or "(event deleted)")
