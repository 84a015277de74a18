"""The commands of operators: what they find and do, and one line with exit code 2 for what a person can mend."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from automate_core.models import ExecutionRun, OutboxJob
from automate_governance.models import AuditEntry
from tests.support.events import came_to

pytestmark = pytest.mark.django_db(transaction=True)

TEXT = "{name: %s, slug: %s, triggers: [{endpoint: github}], steps: [{key: a, action: data.set}]}"


@pytest.fixture
def runs(workflow, admin):
    made = {}
    for slug in ("one", "two"):
        flow = workflow(TEXT % (slug, slug))
        for status in ("failed", "waiting"):
            made[slug, status] = ExecutionRun.objects.create(
                workflow=flow, version=flow.published, status=status, trace_id=f"{len(made):032x}", cause="retry",
                error={"message": "no", "step": "a"} if status == "failed" else None,
            )  # fmt: skip
    return made


def run(capsys, *arguments):
    call_command(*arguments)
    return capsys.readouterr().out


def refused(*arguments, code=2):
    with pytest.raises(CommandError) as caught:
        call_command(*arguments)
    assert caught.value.returncode == code
    return str(caught.value)


def test_listing_finds_by_every_filter(runs, capsys):
    assert len(run(capsys, "automate_runs", "list").splitlines()) == 4
    found = run(capsys, "automate_runs", "list", "--workflow", "one", "--status", "failed")
    assert str(runs["one", "failed"].pk) in found and "one failed (a: no)" in found and len(found.splitlines()) == 1
    trace = runs["two", "waiting"].trace_id
    assert str(runs["two", "waiting"].pk) in run(capsys, "automate_runs", "list", "--trace", trace)
    assert len(run(capsys, "automate_runs", "list", "--since", "1h").splitlines()) == 4
    assert run(capsys, "automate_runs", "list", "--since", "2100-01-01") == ""


def test_cancelling_and_retrying_many(runs, capsys):
    assert run(capsys, "automate_runs", "cancel", "--workflow", "one", "--dry-run") == "1 would be cancelled\n"
    assert run(capsys, "automate_runs", "cancel", "--workflow", "one", "--reason", "no need") == "1 cancelled\n"
    runs["one", "waiting"].refresh_from_db()
    assert (runs["one", "waiting"].status, runs["one", "waiting"].error["message"]) == (
        "cancelled",
        "Cancelled by root: no need",
    )
    assert run(capsys, "automate_runs", "rerun", "--status", "failed", "--newest") == "2 re-run\n"
    assert ExecutionRun.objects.exclude(retried_from=None).count() == 2
    assert run(capsys, "automate_runs", "cancel", str(runs["two", "waiting"].pk)) == "1 cancelled\n"


def test_what_is_refused_is_named(runs, capsys):
    ExecutionRun.objects.filter(status="failed").update(status="succeeded")
    assert refused("automate_runs", "rerun", "--workflow", "one", code=1) == "1 refused"
    assert "did not fail" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "state", "reason"),
    [
        (["review", "--outcome", "succeeded"], "waiting", "No step of this run waits for a review."),
        (["retry", "--step", "a"], "waiting", "This run does not wait for the next attempt of the step."),
        (["skip", "--step", "a"], "waiting", "This run does not wait at the step."),
        (["rerun"], "waiting", "This run has not ended."),
        (["cancel"], "failed", "This run has already ended."),
    ],
)
@pytest.mark.parametrize("dry_run", [[], ["--dry-run"]])
def test_a_run_given_by_id_in_another_state_is_refused(runs, capsys, arguments, state, reason, dry_run):
    run_id = str(runs["one", state].pk)
    assert refused("automate_runs", arguments[0], run_id, *arguments[1:], *dry_run, code=1) == "1 refused"
    assert capsys.readouterr().err == f"{run_id}: {reason}\n"


def test_lists_say_that_they_are_cut_and_how_to_go_on(runs, capsys):
    call_command("automate_runs", "list", "--limit", "3")
    first = capsys.readouterr()
    shown = [line.split()[0] for line in first.out.splitlines()]
    assert f"Showing 3 of 4 runs. Use --limit for more, or --before {shown[-1]} to continue." in first.err
    call_command("automate_runs", "list", "--limit", "3", "--before", shown[-1])
    rest = capsys.readouterr()
    assert [*shown, rest.out.split()[0]] == [str(run.pk) for run in ExecutionRun.objects.order_by("-id")]
    assert rest.err == "" and len(rest.out.splitlines()) == 1
    for run in runs.values():
        OutboxJob.objects.create(kind="advance", run=run, status="dead", last_error="gave up")
    call_command("automate_dead", "--limit", "3")
    first = capsys.readouterr()
    assert "Showing 3 of 4 jobs." in first.err
    assert len(run_lines(capsys, "automate_dead", "--after", first.out.splitlines()[-1].split()[0])) == 1
    assert "must be 1 or more" in refused("automate_runs", "list", "--limit", "0")


def run_lines(capsys, *arguments):
    return run(capsys, *arguments).splitlines()


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("cancel",), "Select runs"),
        (("cancel", "nonsense"), "'nonsense' is not the id of a run"),
        (("list", "--since", "yesterday"), "--since must be"),
        (("cancel", "--status", "failed", "--as", "nobody"), "no user 'nobody'"),
    ],
)
def test_mistakes_of_runs_in_one_line(runs, arguments, reason):
    assert reason in refused("automate_runs", *arguments)


def test_a_workflow_is_paused_resumed_and_archived(runs, capsys):
    assert run(capsys, "automate_workflow", "pause", "one") == "one is paused\n"
    assert "Its status is Paused" in refused("automate_workflow", "pause", "one")
    assert run(capsys, "automate_workflow", "resume", "one", "--backlog", "discard") == "one is active\n"
    assert run(capsys, "automate_workflow", "archive", "one") == "one is archived\n"
    assert run(capsys, "automate_workflow", "restore", "one") == "one is paused\n"
    assert "no workflow 'three'" in refused("automate_workflow", "pause", "three")
    assert "needs the Publish or Operate permission" in refused(
        "automate_workflow", "pause", "two", "--as", _stranger().username
    )


def _stranger():
    from django.contrib.auth import get_user_model

    return get_user_model().objects.create_user("passer-by")


def test_runs_are_named_by_their_last_digits(runs, capsys):
    """As messages name them."""
    failed = runs["one", "failed"]
    assert run(capsys, "automate_runs", "rerun", str(failed), "--dry-run").startswith("1 would be re-run")
    assert refused("automate_runs", "rerun", "0badc0de") == "No run ends with 0badc0de."


def test_dead_jobs_are_listed_and_replayed(runs, capsys):
    event = came_to("github", type="issues", trace_id="1" * 32)
    jobs = [
        OutboxJob.objects.create(kind="dispatch", event=event, status="dead", last_error="gave up"),
        OutboxJob.objects.create(kind="advance", run=runs["one", "failed"], status="dead", last_error="gave up"),
    ]
    listed = run(capsys, "automate_dead")
    assert "dispatch webhook:github issues: gave up" in listed
    assert f"advance one {runs['one', 'failed'].pk}: gave up" in listed
    assert f"{jobs[0].pk}: job " in run(capsys, "automate_dead", "--requeue", str(jobs[0].pk))
    assert refused("automate_dead", "--requeue", str(jobs[0].pk), code=1) == "1 refused"
    assert f"{jobs[1].pk}: run " in run(capsys, "automate_dead", "--all")
    assert run(capsys, "automate_dead") == ""
    assert "'x' is not the id of a job" in refused("automate_dead", "--requeue", "x")


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (("automate_runs", "review", "--workflow", "one", "--outcome", "again"), ("--limit", "3")),
        (("automate_runs", "rerun", "--workflow", "one"), ("--before", "0199c0de-0000-7000-8000-000000000000")),
        (("automate_runs", "cancel", "--workflow", "one"), ("--limit", "2")),
        (("automate_dead", "--all"), ("--limit", "2")),
    ],
)
def test_a_part_of_a_list_is_no_part_of_what_is_done(runs, command, option):
    assert f"{option[0]} is for the list alone" in refused(*command, *option)


def test_the_reason_of_a_pause_is_in_the_trail(workflow, owner, client):
    made = workflow("{name: P, slug: p, steps: [{key: keep, action: data.set}]}")
    client.force_login(owner)
    client.post(reverse("studio:workflow_pause", args=[made.pk]), {"reason": "ERP is being moved"})
    assert AuditEntry.objects.get(verb="workflow.paused").changes == {"reason": "ERP is being moved"}
    call_command("automate_workflow", "resume", "p", user="owner")
    call_command("automate_workflow", "pause", "p", user="owner", reason="again")
    assert AuditEntry.objects.filter(verb="workflow.paused").latest("pk").changes == {"reason": "again"}
