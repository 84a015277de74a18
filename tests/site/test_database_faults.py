"""A database that stores nothing: pages, the API and commands name the cause, and what to do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.test import Client
from django.urls import reverse

from automate_core.models import Workflow
from automate_operations.database_faults import database_fault
from automate_site import command_line
from tests.support.api_operations import MANUAL
from tests.support.pages import tidy

pytestmark = pytest.mark.django_db(transaction=True)

FULL = ("auth_user", "automate_core_workflow")  # tables without space


@pytest.fixture
def read_only() -> Iterator[None]:
    """Sessions of this test may store nothing, as on a standby or after an administrator's setting."""
    yield from _while("SET default_transaction_read_only = on", "SET default_transaction_read_only = off")


@pytest.fixture
def full() -> Iterator[None]:
    """Tables answer as PostgreSQL does on a full disk."""
    function = (
        "CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION"
        " 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;"
    )
    made = [f"CREATE TRIGGER no_space BEFORE UPDATE ON {table} EXECUTE FUNCTION no_space();" for table in FULL]
    yield from _while(function + "".join(made), "DROP FUNCTION no_space CASCADE")


def _while(before: str, after: str) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(before)
        yield
        cursor.execute(after)


def _browser(person=None):
    client = Client(raise_request_exception=False)
    if person is not None:
        client.force_login(person)
    return client


@pytest.mark.parametrize(("fault", "named"), [("full", "is full"), ("read_only", "is read-only")])
def test_the_sign_in_page_and_others_name_the_cause(request, owner, admin, workflow, fault, named):
    found = workflow(MANUAL)
    signed_in = _browser(admin)
    request.getfixturevalue(fault)
    sent = {"username": "owner", "password": "password-of-tests"}
    pause = reverse("studio:workflow_pause", args=[found.pk])
    for answer in (_browser().post(reverse("admin:login"), sent), signed_in.post(pause)):
        assert answer.status_code == 503, answer.content
        shown = tidy(answer.content.decode())
        assert f"The database {named}: nothing was stored. Tell an administrator" in shown
        assert "Accepted events and running workflows are not affected" not in shown
    assert Workflow.objects.get(pk=found.pk).status == Workflow.Status.ACTIVE


@pytest.mark.parametrize(("fault", "named"), [("full", "is full"), ("read_only", "is read-only")])
def test_the_api_names_the_cause(request, owner, workflow, api, fault, named):
    found, client = workflow(MANUAL), api(owner)
    request.getfixturevalue(fault)
    answer = client.post(f"workflows/{found.slug}/pause")
    assert answer.status_code == 503 and answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"].startswith(f"The database {named}: nothing was stored.")


def test_a_command_names_the_cause_in_one_line(owner, read_only, capsys, monkeypatch):
    def run(arguments):
        call_command("automate_unlock", "owner")

    monkeypatch.setattr(command_line, "execute_from_command_line", run)
    assert command_line.main(["manage.py", "automate_unlock"]) == 2
    assert capsys.readouterr().err.startswith("The database is read-only: nothing was stored.")


def test_a_database_that_is_away_is_named_and_other_errors_are_not(owner, monkeypatch):
    def away(*args, **kwargs):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    monkeypatch.setattr("automate_studio.library.views.is_first_run", away)
    answer = _browser(owner).get("/admin/")
    connection.close()
    assert answer.status_code == 503 and "The database cannot be reached." in answer.content.decode()
    monkeypatch.setattr("automate_studio.library.views.is_first_run", lambda request: 1 / 0)
    answer = _browser(owner).get("/admin/")
    assert answer.status_code == 500 and "Server error" in answer.content.decode()
    assert database_fault(OperationalError("of no driver")) is None
