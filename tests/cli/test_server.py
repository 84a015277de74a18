"""Commands against the real site, with its worker."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.processes import free_port

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]

GREET = """
name: Greet
slug: greet
triggers: [{kind: manual, key: by_hand, inputs: [{name: who, label: Who, kind: text, required: true}]}]
steps: [{kind: stop, key: done}]
"""
CALLER = "{name: Fail, slug: fail, triggers: [{kind: manual, key: go}], steps: [{kind: workflow, key: call, workflow: noted}]}"  # fmt: skip
FAIL = "{name: Fail, slug: fail, triggers: [{kind: manual, key: go}], steps: [{kind: stop, key: no, outcome: failed, message: Out of tea}]}"  # fmt: skip


@pytest.fixture
def signed_in(cli, api, live_server):
    """The command line of a person, signed in to a server without a worker, or at another address."""

    def sign_in(person, *scopes, workflows=None, at=live_server.url):
        plain = api(person, *scopes, workflows=workflows).plain
        ended = cli("login", at, stdin=f"{plain}\n")
        assert ended.code == 0, ended.err
        assert plain not in ended.out + ended.err
        return cli

    return sign_in


def test_signing_in_is_checked_by_the_server(cli, api, live_server, owner):
    site = live_server.url
    wrong = api(owner).plain[:-1] + "x"
    ended = cli("login", site, stdin=wrong)
    assert ended.code == 3 and wrong not in ended.err
    ended = cli("login", site, AUTOMATE_TOKEN=api(owner, "connection:view").plain)
    assert ended.code == 0 and f"Signed in to {site} as owner" in ended.out
    assert cli("workflows", "list").code == 3


def test_workflows_are_those_that_one_may_view(signed_in, workflow, owner, stranger):
    workflow(GREET)
    cli = signed_in(owner)
    assert [each["slug"] for each in cli("workflows", "list", "--json").json()] == ["greet"]
    assert cli("workflows", "list", "--status", "paused", "--json").json() == []
    assert "Greet" in cli("workflows", "show", "greet").out
    cli = signed_in(stranger)
    assert cli("workflows", "list").err == "No workflows.\n"
    assert cli("workflows", "show", "greet").code == 1


def test_a_run_is_started_and_shown(signed_in, workflow, owner):
    workflow(GREET)
    cli = signed_in(owner)
    started = cli("runs", "start", "greet", "--input", "who=Ada", "--json").json()
    assert started["status"] == "queued"
    again = cli("runs", "start", "greet", "--input", "who=Ada", "--idempotency-key", "k").out
    assert cli("runs", "start", "greet", "--input", "who=Ada", "--idempotency-key", "k").out == again
    refused = cli("runs", "start", "greet")
    assert refused.code == 2 and "inputs.who: who is required." in refused.err


def test_a_run_is_cancelled_before_it_has_started(signed_in, workflow, owner):
    workflow(GREET)
    cli = signed_in(owner)
    run = cli("runs", "start", "greet", "--input", "who=Ada", "--json").json()["id"]
    assert cli("runs", "cancel", run, "--reason", "Too late", "--json").json()["status"] == "cancelled"
    shown = cli("runs", "show", run)
    assert "Cancelled by owner: Too late" in shown.out
    again = cli("runs", "cancel", run)
    assert again.code == 1 and "already ended" in again.err


NOTED = """
name: Noted
slug: noted
triggers: [{kind: manual, key: go}]
steps: [{key: note, action: data.set, inputs: {order: 7}}]
"""


def test_outputs_are_shown_to_whoever_may_view_them(signed_in, workflow, owner, drain):
    workflow(NOTED)
    cli = signed_in(owner)
    run = cli("runs", "start", "noted").out.strip()
    drain()
    assert '{"order": 7}' in cli("runs", "show", run).out
    assert cli("runs", "show", run, "--json").json()["outputs"] == {"note": {"order": 7}}
    assert "outputs" not in cli("runs", "show", run, "--json", "--no-outputs").json()
    shown = signed_in(owner, "workflow:view")("runs", "show", run, "--json").json()
    assert shown["status"] == "succeeded" and "outputs" not in shown


CALLS = """
name: Calls
slug: calls
triggers: [{kind: manual, key: go}]
steps:
  - {key: fetch, action: http.request, inputs: {method: GET, url: 'https://127.0.0.1/x'}}
  - {key: ask, kind: approval, assignees: [owner], timeout: 2d, outcomes: [{key: approved, name: Yes}, {key: rejected, name: No}]}
  - {key: say, action: data.set, inputs: {n: '{{ event.payload.n }}', got: '{{ steps.fetch.output }}', did: '{{ steps.ask.output.outcome }}'}}
"""


def test_a_draft_is_tested(signed_in, workflow, owner, home, site):
    workflow(CALLS, publish=False)
    cli = signed_in(owner, "workflow:view", "workflow:change", "workflow:view_payload", at=site)
    shown = cli("workflows", "test", "calls", "--mock", "say:=1", "--timeout", "50")
    assert shown.code == 0 and "WOULD HAPPEN" in shown.out and "https://127.0.0.1/x" in shown.out, shown
    (home / "work" / "mocks.json").write_text('{"fetch": {"total": 5}}')
    given = ("--data", "n:=7", "--mocks", "mocks.json", "--outcome", "ask=rejected", "--timeout", "50", "--json")
    tested = cli("workflows", "test", "calls", *given).json()
    assert tested["outputs"]["say"] == {"n": 7, "got": {"total": 5}, "did": "rejected"}
    assert tested["status"] == "succeeded" and tested["steps"][-1]["output"] == tested["outputs"]["say"]
    wrong = cli("workflows", "test", "calls", "--mock", "nobody:=1")
    assert wrong.code == 2 and "'nobody'" in wrong.err
    assert cli("workflows", "test", "calls", "--outcome", "ask:=1").code == 2
    assert signed_in(owner, "workflow:view", at=site)("workflows", "test", "calls").code == 3


def test_a_missing_scope_is_named(signed_in, workflow, owner):
    workflow(GREET)
    refused = signed_in(owner, "workflow:view")("runs", "start", "greet", "--input", "who=Ada")
    assert refused.code == 3 and "workflow:run" in refused.err


TWO = """
name: Two
slug: two
triggers: [{kind: manual, key: go}]
steps:
  - {kind: wait, key: pause, duration: 1}
  - {kind: stop, key: done}
"""


@pytest.mark.extended
def test_runs_are_followed_to_their_ends(signed_in, workflow, owner, site):
    for text in (TWO, FAIL):
        workflow(text)
    cli = signed_in(owner, at=site)
    ended = cli("runs", "start", "two", "--wait", "--timeout", "60")
    assert ended.code == 0, ended
    lines = [line.split("  ")[1:3] for line in ended.out.splitlines() if line[2:3] == ":"]
    assert ["pause", "waiting"] in lines and lines.count(["pause", "succeeded"]) == 1, ended.out
    assert ended.out.splitlines()[-1].endswith("  succeeded")
    ended = cli("runs", "start", "fail", "--wait", "--json")
    run = json.loads(ended.out)
    assert (ended.code, run["status"], run["outputs"]) == (1, "failed", {"no": {"message": "Out of tea"}})
    ended = cli("runs", "tail", run["id"])
    assert ended.code == 1 and ended.out.splitlines()[-1] == f"{run['id']}  failed  no: Out of tea"
    lines = [json.loads(line) for line in cli("runs", "tail", run["id"], "--json").out.splitlines()]
    assert {line["event"] for line in lines} == {"step", "run"} and lines[-1]["data"]["status"] == "failed"
    assert "Out of tea" in cli("runs", "show", run["id"]).out


@pytest.mark.extended
def test_a_run_is_followed_over_a_restart_of_the_server(signed_in, workflow, owner, serve, home):
    workflow(TWO.replace("duration: 1", "duration: 20"))
    port = free_port()
    followed = []
    with serve(port):
        cli = signed_in(owner, at=f"http://127.0.0.1:{port}")
        run = cli("runs", "start", "two").out.strip()
        command = [sys.executable, "-c", "from automate_cli.main import main; main()", "runs", "tail", run]
        tail = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        followed.append(tail.stdout.readline())
    assert tail.poll() is None
    with serve(port):
        out, err = tail.communicate(timeout=120)
    assert tail.returncode == 0, (followed, out, err)
    shown = "".join([*followed, out])
    assert shown.count("pause  waiting") == 1 and shown.count("pause  succeeded") == 1, shown


@pytest.mark.extended
def test_a_server_that_cannot_stream_is_polled(signed_in, workflow, owner, drain):
    workflow(GREET)
    cli = signed_in(owner)
    run = cli("runs", "start", "greet", "--input", "who=Ada").out.strip()
    late = cli("runs", "tail", run, "--timeout", "0.5")
    assert late.code == 1 and "did not end in time" in late.err
    drain()
    assert cli("runs", "tail", run).out.splitlines()[-1] == f"{run}  succeeded"


@pytest.mark.extended
def test_runs_are_listed_cancelled_and_rerun(signed_in, workflow, owner, drain):
    for text in (TWO.replace("duration: 1", "duration: 2h"), FAIL):
        workflow(text)
    cli = signed_in(owner)
    waiting, failed = cli("runs", "start", "two").out.strip(), cli("runs", "start", "fail").out.strip()
    drain()

    def listed(*filters):
        return [each["id"] for each in cli("runs", "list", *filters, "--json").json()]

    assert listed() == [failed, waiting]
    assert listed("--workflow", "two", "--workflow", "fail", "--status", "waiting") == [waiting]
    assert listed("--since", "1h", "--filter", "origin=manual", "--search", "tea") == [failed]
    assert listed("--limit", "1") == [failed]
    assert cli("runs", "list", "--filter", "origin=nowhere").code == 2
    assert "two" in cli("runs", "list").out
    assert cli("runs", "cancel", waiting, "--reason", "Not needed").out == f"{waiting}: cancelled\n"
    assert cli("runs", "tail", waiting).code == 1
    again = cli("runs", "rerun", failed, "--from", "start", "--newest").out.strip()
    assert again not in {failed, waiting}
    assert "already re-run as" in cli("runs", "rerun", failed[-8:]).err
    assert cli("runs", "show", failed[-8:], "--json").json()["id"] == failed
    assert cli("runs", "rerun", failed, "--from", "nowhere", "--again").code == 2
    assert cli("runs", "rerun", again).code == 1
    assert cli("runs", "cancel", "no-id").code == 1


def test_the_url_of_a_callback_is_shown(signed_in, workflow, owner, drain):
    workflow(TWO.replace("duration: 1", "callback: true, timeout: 2h"))
    cli = signed_in(owner)
    run = cli("runs", "start", "two").out.strip()
    drain()
    [wait] = cli("runs", "show", run, "--json").json()["waits"]
    assert "/hooks/callback/" in wait["answer_url"] and wait["answer_url"] in cli("runs", "show", run).out


def test_events_are_sent_and_replayed(signed_in, workflow, owner, drain):
    made = workflow("{name: On, slug: on, triggers: [{kind: event, event: go}], steps: [{kind: stop, key: done}]}")
    cli = signed_in(owner)
    sent = cli("events", "send", "go", "--data", "n:=1", "--json").json()
    assert cli("events", "send", "go", "--data", "n:=1", "--idempotency-key", "one").code == 0
    assert cli("events", "send", "go", "--data", "n:=1", "--idempotency-key", "one").code == 0
    drain()
    assert made.runs.count() == 2
    assert cli("events", "replay", sent["id"]).code == 0
    drain()
    assert made.runs.count() == 3
    assert cli("events", "send", "nowhere").code in {1, 2}


APPROVAL = """
name: Ask
slug: ask
triggers: [{kind: manual, key: go}]
steps:
  - kind: approval
    key: ok
    message: May Ada have tea?
    assignees: [owner]
    timeout: 2h
    on_timeout: []
    form: [{name: why, label: Why, kind: text, required: true}]
"""


@pytest.mark.extended
def test_approvals_are_listed_and_decided(signed_in, workflow, owner, drain):
    workflow(APPROVAL)
    cli = signed_in(owner)
    run = cli("runs", "start", "ask").out.strip()
    drain()
    [asked] = cli("approvals", "list", "--json").json()
    assert asked["run"] == run and "May Ada have tea?" in cli("approvals", "list").out
    assert cli("approvals", "decide", asked["id"], "approved").code == 2
    assert cli("approvals", "decide", asked["id"], "nonsense").code in {1, 2}
    assert (
        cli("approvals", "decide", asked["id"], "approved", "--answer", "why=Thirst").out
        == f"{asked['id']}: approved\n"
    )
    assert cli("approvals", "list").err == "No approvals wait for you.\n"
    drain()
    assert cli("runs", "tail", run).code == 0


def test_tokens_are_issued_rotated_and_revoked(signed_in, live_server, owner, home):
    cli = signed_in(owner)
    first = cli("tokens", "list", "--json").json()
    assert [each["name"] for each in first] == ["test"]
    created = cli("tokens", "create", "ci", "--scopes", "workflow:view,workflow:run", "--days", "7")
    assert created.code == 0 and created.out.startswith("dat_") and "only once" in created.err
    assert cli("workflows", "list", AUTOMATE_TOKEN=created.out.strip()).code == 0
    assert cli("tokens", "create", "ci", "--scope", "nothing:at_all").code == 2
    stored = (home / "config" / "automate" / "credentials.json").read_text()
    rotated = cli("tokens", "rotate", "--overlap", "0")
    assert rotated.code == 0 and "is rotated and stored" in rotated.out
    after = (home / "config" / "automate" / "credentials.json").read_text()
    assert after != stored and json.loads(after)["servers"][live_server.url]["token"] not in rotated.out + rotated.err
    second = cli("tokens", "list", "--json").json()[0]
    assert cli("tokens", "revoke", str(second["id"])).out == "ci is revoked.\n"
    assert cli("workflows", "list", AUTOMATE_TOKEN=created.out.strip()).code == 3


@pytest.mark.extended
def test_workflows_are_pulled_changed_and_pushed(signed_in, workflow, owner, live_server, home):
    made = workflow(GREET)
    cli, file = signed_in(owner), home / "work" / "greet.yaml"
    assert cli("workflows", "pull", "greet").code == 0
    assert file.read_text().startswith("schema: 1\nname: Greet\n")
    assert cli("workflows", "pull", "--all").code == 0
    assert cli("workflows", "diff", "greet", "--exit-code").out == ""
    file.write_text("# a comment\n" + file.read_text())
    assert cli("workflows", "diff", "greet", "--exit-code").code == 0
    kept = home / "work" / ".automate"
    kept.rename(home / "elsewhere")
    refused = cli("workflows", "push", "greet")
    assert refused.code == 1 and "it is not known of which draft it is a copy" in refused.err
    assert cli("workflows", "pull", "greet").code == 1
    assert cli("workflows", "pull", "greet", "--force").code == 0

    file.write_text(file.read_text().replace("name: Greet", "name: Salute"))
    shown = cli("workflows", "diff", "greet", "--published", "--exit-code")
    assert shown.code == 1 and "-name: Greet\n+name: Salute\n" in shown.out
    pushed = cli("workflows", "push", "greet.yaml", "--json").json()[0]
    assert (pushed["result"], pushed["rev"]) == ("updated", made.rev + 1)
    assert cli("workflows", "push", "greet").out.endswith("not changed\n")
    assert cli("workflows", "publish", "greet", "--rev", str(made.rev)).code == 1
    assert cli("workflows", "publish", "greet", "--message", "New name").out == "greet: version 2 is published\n"

    theirs = home / "work" / "theirs" / "greet.yaml"
    assert cli("workflows", "pull", "greet", "--dir", "theirs").code == 0
    theirs.write_text(theirs.read_text().replace("Salute", "Theirs"))
    assert cli("workflows", "push", "theirs/greet.yaml").code == 0
    file.write_text(file.read_text().replace("Salute", "Ours"))
    conflict = cli("workflows", "push", "greet")
    assert conflict.code == 1 and f"has the revision {made.rev + 2} now" in conflict.err
    forced = cli("workflows", "push", "greet", "--force", "--publish", "--json").json()[0]
    assert (forced["result"], forced["version"]) == ("updated", 3)


def test_a_copy_is_a_draft_with_a_name_of_its_own(signed_in, workflow, owner, stranger):
    workflow(GREET)
    cli = signed_in(owner)
    assert cli("workflows", "copy", "greet").out == "greet: copied as greet-2. Its triggers are off.\n"
    named = cli("workflows", "copy", "greet", "--name", "Welcome", "--json").json()
    assert (named["slug"], named["name"], named["status"]) == ("greet-3", "Welcome", "draft")
    assert "Greet (copy)" in cli("workflows", "show", "greet-2").out
    assert signed_in(stranger)("workflows", "copy", "greet").code == 1


def test_files_are_the_same_for_every_server(signed_in, workflow, owner, live_server, home, cli):
    made = workflow(GREET)
    signed_in(owner)
    file, kept = home / "work" / "greet.yaml", home / "work" / ".automate"
    assert cli("workflows", "pull", "greet").code == 0
    pulled = file.read_text()
    assert live_server.url not in pulled and "# automate" not in pulled
    assert (kept / ".gitignore").read_text() == "*\n"
    file.write_text(pulled.replace("Greet", "Salute"))
    assert cli("workflows", "push", "greet").code == 0
    other = live_server.url.replace("localhost", "127.0.0.1")
    assert cli("workflows", "push", "greet", "--server", other, AUTOMATE_TOKEN="dat_x").code != 0
    signed_in(owner, at=other)
    assert "it is not known" in cli("workflows", "push", "greet").err, "another server's revision says nothing"
    assert cli("workflows", "pull", "greet").code == 0
    assert len(list(kept.glob("*.json"))) == 2
    assert file.read_text() == pulled.replace("Greet", "Salute")
    assert made.slug == "greet"


def test_a_file_whose_first_line_names_its_draft_is_read(signed_in, workflow, owner, live_server, home):
    made = workflow(GREET)
    cli, file = signed_in(owner), home / "work" / "greet.yaml"
    line = f"# automate: draft {made.rev} of {live_server.url}\n"
    file.write_text(line + GREET.replace("name: Greet", "name: Salute").lstrip())
    written = file.read_text()
    assert "updated" in cli("workflows", "push", "greet").out
    assert file.read_text() == written
    assert "not changed" in cli("workflows", "push", "greet").out, "what was pushed counts, not the line"
    for state in (home / "work" / ".automate").glob("*.json"):
        state.write_text("{")
    assert "it is a copy of draft" in cli("workflows", "push", "greet").err
    assert cli("workflows", "pull", "greet", "--force").code == 0
    assert "# automate" not in file.read_text()


def test_workflows_without_a_file_are_removed_after_a_question(signed_in, workflow, owner, home, drain):
    ran, kept = workflow(GREET), workflow(FAIL)
    for slug in ("noted", "unused"):
        workflow(NOTED.replace("noted", slug))
    cli, work = signed_in(owner), home / "work"
    assert cli("runs", "start", "greet", "--input", "who=Ada").code == 0
    drain()
    assert cli("workflows", "pull", "fail", "unused").code == 0
    assert cli("workflows", "push", "fail", "--prune").code == 2
    broken = cli("workflows", "push", "fail", "missing", "--prune", "--yes")
    assert broken.code == 2 and "nothing was deleted" in broken.err
    there = lambda: {each["slug"]: each["status"] for each in cli("workflows", "list", "--json").json()}  # noqa: E731
    assert len(there()) == 4
    (work / "fail.yaml").write_text(CALLER)
    ended = cli("workflows", "push", "fail", "unused", "--prune", "--yes", "--force")
    assert ended.code == 1 and "noted: not deleted, because fail.yaml uses it" in ended.err
    assert ended.out.endswith("greet: archived\n")
    assert there() == {"greet": "archived", "fail": "active", "noted": "active", "unused": "active"}
    assert cli("workflows", "push", "fail", "--prune", "--yes", "--json").code == 1
    assert there().keys() == {"greet", "fail", "noted"}
    (work / "fail.yaml").write_text(FAIL)
    ended = cli("workflows", "push", "fail", "--prune", "--yes", "--json")
    assert ended.json()[1:] == [{"slug": "noted", "result": "deleted"}]
    assert cli("workflows", "push", "fail", "--prune", "--yes", "--json").json()[1:] == []
    assert (ran.slug, kept.slug) == ("greet", "fail")


@pytest.mark.parametrize(("answer", "left"), [("n", {"greet", "fail"}), ("y", {"fail"})])
def test_the_question_lists_what_would_be_removed(signed_in, workflow, owner, home, monkeypatch, answer, left):
    workflow(GREET)
    workflow(FAIL)
    cli = signed_in(owner)
    assert cli("workflows", "pull", "fail").code == 0
    monkeypatch.setattr("automate_cli.commands.workflows.may_ask", lambda: True)
    asked = cli("workflows", "push", "fail", "--prune", stdin=f"{answer}\n")
    assert asked.code == 0
    assert "  greet  Greet (active)" in asked.err and "fail" not in asked.err
    assert {each["slug"] for each in cli("workflows", "list", "--json").json()} == left


def test_a_workflow_is_paused_resumed_archived_and_restored(signed_in, workflow, owner, drain):
    workflow(GREET)
    cli = signed_in(owner)
    assert cli("workflows", "pause", "greet", "--reason", "Stocktaking").out == "greet: paused\n"
    assert "Stocktaking" in cli("workflows", "show", "greet").out
    again = cli("workflows", "pause", "greet")
    assert again.code == 1 and again.err.startswith("Error: ")
    started = cli("runs", "start", "greet", "--input", "who=Ada", "--json").json()
    drain()
    assert cli("workflows", "resume", "greet", "--discard", "--json").json()["status"] == "active"
    drain()
    assert cli("runs", "show", started["id"], "--json").json()["status"] == "cancelled"
    assert cli("workflows", "archive", "greet").out == "greet: archived\n"
    assert cli("workflows", "restore", "greet").out == "greet: paused\n"


def test_a_workflow_is_deleted_after_a_question(signed_in, workflow, owner, monkeypatch):
    workflow(GREET)
    workflow(FAIL)
    cli = signed_in(owner)
    there = lambda: {each["slug"] for each in cli("workflows", "list", "--json").json()}  # noqa: E731
    refused = cli("workflows", "delete", "greet")
    assert refused.code == 2 and "--yes" in refused.err
    monkeypatch.setattr("automate_cli.commands.workflow_states.may_ask", lambda: True)
    asked = cli("workflows", "delete", "greet", stdin="n\n")
    assert "Delete greet from http://" in asked.err and there() == {"greet", "fail"}
    assert cli("workflows", "delete", "greet", stdin="y\n").out == "greet: deleted\n"
    assert cli("workflows", "delete", "fail", "--yes", "--json").json() == {"slug": "fail", "result": "deleted"}
    assert there() == set()
    assert cli("workflows", "delete", "fail", "--yes").code == 1


def test_an_unknown_group_is_among_the_errors(signed_in, owner, home):
    file = home / "work" / "asks.yaml"
    step = "kind: approval, key: ask, groups: [Finance, '{{ vars.team }}'], assignees: [owner], timeout: 1d"
    file.write_text(
        f"name: Asks\nslug: asks\ntriggers: [{{endpoint: nowhere}}]\nvars: {{team: x}}\nsteps: [{{{step}}}]\n"
    )
    refused = signed_in(owner)("workflows", "push", "asks", "--publish")
    assert refused.code == 2 and "No group is called Finance." in refused.err and "nowhere" in refused.err


def test_a_pushed_file_creates_a_workflow_and_errors_name_its_lines(signed_in, owner, home):
    cli, file = signed_in(owner), home / "work" / "made.yaml"
    file.write_text(GREET.replace("greet", "made"))
    assert cli("workflows", "push", "made").out == "made.yaml: draft 1 of made created\n"
    assert cli("workflows", "list", "--status", "draft", "--json").json()[0]["slug"] == "made"
    file.write_text("# automate: draft 1 of https://other.example\nname: x\nslug: made\nsteps: [{kind: nonsense}]\n")
    refused = cli("workflows", "push", "made", "--force")
    assert refused.code == 2 and "made.yaml: " in refused.err and "Line 4: " in refused.err
    file.write_text("name: [\n")
    assert "made.yaml: line 2: " in cli("workflows", "push", "made").err


def test_a_difference_is_one_of_values(signed_in, owner, home):
    cli, file = signed_in(owner), home / "work" / "noted.yaml"
    file.write_text(NOTED.replace(", key: go", ""))
    assert cli("workflows", "push", "noted", "--publish").code == 0
    for compared in ([], ["--published"]):
        shown = cli("workflows", "diff", "noted", "--exit-code", *compared)
        assert (shown.code, shown.out, shown.err) == (0, "", "")
    file.write_text(f"# note\n{NOTED.replace(', key: go', '').replace('order: 7', 'order: 8')}")
    shown = cli("workflows", "diff", "noted", "--exit-code")
    changed = [line.split() for line in shown.out.splitlines()[2:] if line[0] in "+-"]
    assert shown.code == 1 and changed == [["-", "order:", "7"], ["+", "order:", "8"]]
    file.write_text(NOTED.replace("order: 7", "order: ["))
    broken = cli("workflows", "diff", "noted")
    assert broken.code == 2 and "noted.yaml: line" in broken.err
    file.write_text(NOTED.replace("action: data.set", "kind: nonsense"))
    assert "noted.yaml: Line 5: " in cli("workflows", "diff", "noted").err


def test_a_workflow_that_the_server_does_not_have_is_added_as_a_whole(signed_in, owner, home):
    cli, file = signed_in(owner), home / "work" / "noted.yaml"
    file.write_text(NOTED)
    shown = cli("workflows", "diff", "noted", "--exit-code")
    assert (shown.code, shown.err) == (1, "")
    assert [line[1:] for line in shown.out.splitlines()[3:]] == NOTED.splitlines()
    assert {line[0] for line in shown.out.splitlines()[3:]} == {"+"}
    assert cli("workflows", "diff", "noted").code == 0


def test_a_list_of_tokens_has_short_lines(signed_in, owner):
    shown = signed_in(owner)("tokens", "list")
    assert "more" in shown.out and max(map(len, shown.out.splitlines())) < 200


def test_each_file_is_pushed_and_each_failure_has_its_name(signed_in, owner, home):
    cli, work = signed_in(owner), home / "work"
    for name in ("p1", "p2", "p3"):
        (work / f"{name}.yaml").write_text(NOTED.replace("noted", name))
    broken = (work / "p2.yaml").read_text().replace("kind: manual", "kind: webhook, endpoint: nowhere")
    (work / "p2.yaml").write_text(broken)
    ended = cli("workflows", "push", "p1", "p2.yaml", "missing.yaml", "p3", "--force", "--publish")
    assert [line.split(":")[0] for line in ended.out.splitlines()] == ["p1.yaml", "p3.yaml"]
    lines = ended.err.splitlines()
    warned = [line for line in lines if line.startswith("Warning: ")]
    assert [line.split(": ")[1] for line in warned] == ["p1", "p3"] and "never tested" in warned[0]
    first, second = (line for line in lines if line not in warned)
    assert first.startswith("Error: p2.yaml: draft 1 of p2 created, but not published: ") and "nowhere" in first
    assert second.startswith("Error: missing.yaml cannot be read")
    assert ended.code in {1, 2}
    assert {each["status"] for each in cli("workflows", "list", "--json").json()} == {"active", "draft"}
    ended = cli("workflows", "push", "missing", "p3", "--json")
    assert ended.code == 2 and [each["slug"] for each in json.loads(ended.out)] == ["p3"]
    ended = cli("workflows", "diff", "missing", "p3")
    assert ended.code == 2 and "missing.yaml" in ended.err


def test_connections_are_listed_and_tested(signed_in, owner, sink):
    from automate_connectors.models import Connection

    Connection.objects.create(name="Hub", slug="hub", connector="http", owner=owner, config={"base_url": sink.url})
    Connection.objects.create(name="Chat", slug="chat", connector="slack", owner=owner)
    cli = signed_in(owner)
    assert "Hub" in cli("connections", "list").out
    assert [each["slug"] for each in cli("connections", "list", "--json").json()] == ["hub", "chat"]
    assert cli("connections", "test", "hub").code == 0
    failed = cli("connections", "test", "chat")
    assert failed.code == 1 and failed.out.startswith("chat: failed.")
    assert cli("connections", "test", "missing").code == 1
