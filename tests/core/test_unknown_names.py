"""Every command says in one line, with exit code 2, that there is nothing of a name that it was given."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command, get_commands, load_command_class

pytestmark = pytest.mark.django_db

NAMES = {"FROM", "TO", "SLUG", "USER", "RUN", "ID", "CODE", "FILE", "F", "NAME"}
ID = "0199c0de-0000-7000-8000-000000000000"

# By command and argument: a call in which that argument names what there is not.
CALLS = {
    ("automate_connector_docs", "CODE"): ["nothing", "--check"],
    ("automate_connector_from_openapi", "--operation"): ["docs/openapi.json", "--operation", "nothing"],
    ("automate_connector_from_openapi", "--output"): [
        "docs/openapi.json",
        "--operation",
        "list_workflows",
        "--base-url",
        "https://automate.example.com",
        "--output",
        "/no/such/file",
    ],
    ("automate_connector_from_openapi", "FILE"): ["/no/such/file"],
    ("automate_dead", "--after"): ["--after", "nothing"],
    ("automate_dead", "--as"): ["--as", "nothing"],
    ("automate_dead", "--requeue"): ["--requeue", ID],
    ("automate_endpoint", "--owner"): ["one", "--scheme", "unsigned", "--owner", "nothing"],
    ("automate_endpoint", "--secret-env"): ["one", "--scheme", "github", "--secret-env", "NO_SUCH_VARIABLE"],
    ("automate_endpoint", "--secret-file"): ["one", "--scheme", "github", "--secret-file", "/no/such/file"],
    ("automate_endpoint", "SLUG"): ["nothing", "--rotate", "--secret-env", "PATH"],
    ("automate_events", "--as"): ["replay", "--type", "push", "--as", "nothing"],
    ("automate_events", "ID"): ["replay", ID],
    ("automate_export", "SLUG"): ["nothing"],
    ("automate_restore", "FILE"): ["/no/such/file"],
    ("automate_handover", "--as"): ["root", "root", "--as", "nothing"],
    ("automate_handover", "FROM"): ["nothing", "root"],
    ("automate_handover", "TO"): ["root", "nothing"],
    ("automate_import", "--owner"): ["/no/such/file", "--owner", "nothing"],
    ("automate_import", "FILE"): ["/no/such/file"],
    ("automate_openapi", "FILE"): ["/no/such/folder/file"],
    ("automate_prune", "--workflow"): ["--workflow", "nothing"],
    ("automate_runs", "--as"): ["list", "--as", "nothing"],
    ("automate_runs", "--before"): ["list", "--before", "nothing"],
    ("automate_runs", "--trace"): ["rerun", "--trace", "nothing"],
    ("automate_runs", "--workflow"): ["list", "--workflow", "nothing"],
    ("automate_runs", "RUN"): ["cancel", ID],
    ("automate_send", "FILE"): ["github", "/no/such/file"],
    ("automate_send", "SLUG"): ["nothing", "/no/such/file"],
    ("automate_startplugin", "NAME"): ["not a name"],
    ("automate_token", "--workflow"): [
        *["one", "--service-account", "--name", "n", "--scopes", "workflow:view", "--workflow", "nothing"],
    ],
    ("automate_token", "USER"): ["nothing", "--list"],
    ("automate_unlock", "USER"): ["nothing"],
    ("automate_verify_audit", "--export"): ["--export", "/no/such/file"],
    ("automate_worker", "--alive-file"): ["--alive-file", "/no/such/folder/file"],
    ("automate_workflow", "--as"): ["pause", "one", "--as", "nothing"],
    ("automate_workflow", "SLUG"): ["pause", "nothing"],
}
HIDDEN = {("automate_worker", "--quarantine")}  #: what a worker starts


def _arguments():
    """(command, argument) of each argument that names something."""
    for name, app in get_commands().items():
        if str(app).startswith("automate_") and name.startswith("automate_"):
            for action in load_command_class(app, name).create_parser("manage.py", name)._actions:
                if NAMES & {*(action.metavar if isinstance(action.metavar, tuple) else [action.metavar])}:
                    yield name, (action.option_strings or [action.metavar])[-1]


def test_each_argument_that_names_something_is_tried():
    assert {*CALLS, *HIDDEN} == set(_arguments())


@pytest.mark.matrix
@pytest.mark.parametrize("where", CALLS, ids=" ".join)
def test_what_there_is_not_is_exit_2_in_one_line(where, workflow, admin, tmp_path, monkeypatch):
    workflow("{name: one, slug: one, triggers: [{endpoint: github}], steps: [{key: a, action: data.set}]}")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandError) as caught:
        call_command(where[0], *CALLS[where])
    assert caught.value.returncode == 2 and len(str(caught.value).splitlines()) == 1
    named = [text for text in CALLS[where] if text in str(caught.value)]
    assert named, f"{caught.value} names nothing of {CALLS[where]}"
