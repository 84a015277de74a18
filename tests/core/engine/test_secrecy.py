"""What a run masks: the secrets of its own connections, after a restart too, and nothing that tells of other secrets."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import pytest
from django.test import Client

from automate_connectors.models import Connection
from automate_core.models import StepRun, Wait
from automate_core.webhooks.callback_urls import callback_url
from automate_governance.models import StoredSecret
from automate_governance.secrets.resolver import resolve
from tests.support.walks import output, settle, states

pytestmark = pytest.mark.django_db(transaction=True)

LIVE = "live-t0ken-Of-somebody-9f3b7c"
GUESSES = """  - kind: for_each
    key: each
    items: '{{ event.payload.guesses }}'
    steps: [{key: guess, action: data.set, inputs: {value: 'x {{ item }}'}}]
"""


@pytest.fixture
def stored(sink):
    """A connection to the sink whose token is a live secret of the site."""

    def make(person):
        secret = StoredSecret(name=f"{person}-token", owner=person)
        secret.put(LIVE)
        secret.save()
        return Connection.objects.create(
            name="Api", slug="api", connector="http", owner=person,
            config={"base_url": sink.url, "auth": "bearer", "token": secret.reference},
        )  # fmt: skip

    return make


def told(run):
    """(what was asked for, what is recorded of it) of each guess, in order."""
    steps = StepRun.objects.filter(run=run, path__endswith="/guess").order_by("id")
    return [(step.input["value"], step.output["value"]) for step in steps]


def test_nobody_learns_by_a_run_whether_a_guess_is_a_secret(publish, run, stored, colleague, sign_in, owner):
    """A thief without the connection tries the secret among six hundred guesses, and each of its beginnings."""
    resolve(f"database:{stored(colleague).owner}-token")  # this process has handed it out
    guesses = [*(f"live-t0ken-Of-somebody-{number:06x}" for number in range(570)), LIVE]
    guesses += [LIVE[:size] for size in range(6, len(LIVE))] + [json.dumps(LIVE).encode().hex()]
    publish(GUESSES)
    done = run({"guesses": guesses, "subject": f"is it {LIVE}"})
    assert done.status == "succeeded" and len(guesses) >= 590
    assert told(done) == [(f"x {guess}", f"x {guess}") for guess in guesses]
    assert done.event.payload["guesses"] == guesses and done.event.subject == f"is it {LIVE}"
    path = f"each[{guesses.index(LIVE)}]/guess"
    page = sign_in(owner).get(f"/admin/automate/runs/{done.pk}/step/{path}/").text
    assert LIVE in page, "nor by a page"


def test_whoever_uses_a_secret_sees_it_masked_as_a_whole_or_not_at_all(publish, run, stored, owner):
    stored(owner)
    publish(f"  - {{key: call, action: http.request, connection: api, inputs: {{method: POST, url: /x}}}}\n{GUESSES}")
    guesses = [LIVE[:size] for size in range(6, len(LIVE))]
    done = run({"guesses": [*guesses, LIVE]})
    assert told(done) == [*((f"x {guess}", f"x {guess}") for guess in guesses), ("x ***", "x ***")]


WAITING = """
  - {key: call, action: http.request, connection: api, inputs: {method: POST, url: /x}, on_error: {value: none}}
  - {kind: wait, key: answer, callback: true, timeout: 1h}
  - {key: said, action: data.set, inputs: {again: '{{ event.payload.echo }}', theirs: '{{ steps.answer.output }}'}}
"""


def _answer(run):
    address = urlsplit(callback_url(run.pk, "answer")).path
    assert Client().post(address, {"you sent": LIVE}, content_type="application/json").status_code == 202


def test_a_worker_that_takes_a_run_up_knows_what_the_last_one_had_handed_out(publish, run, stored, owner, drain):
    stored(owner)
    publish(WAITING)
    done = run({"echo": LIVE})
    _answer(done)  # by another process, which never used the connection
    assert Wait.objects.get(path="answer").outcome == {"outcome": "received", "payload": {"you sent": "***"}}
    settle(drain)
    assert output(done, "said")["again"] == "***", states(done)
    assert StepRun.objects.get(run=done, path="said").input["again"] == "***"


def test_a_connection_that_may_not_be_used_tells_nothing(publish, run, stored, owner, stranger, drain):
    made = stored(owner)
    publish(WAITING)
    Connection.objects.filter(pk=made.pk).update(owner=stranger)
    done = run({"echo": LIVE})
    _answer(done)
    settle(drain)
    assert StepRun.objects.get(run=done, path="call").error["code"] == "connection_not_usable", states(done)
    assert output(done, "said")["again"] == LIVE
    assert output(done, "said")["theirs"]["payload"] == {"you sent": LIVE}
