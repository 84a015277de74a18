"""Connectors in a run: the worker, a connection with a secret, the real ways out."""

from __future__ import annotations

import pytest

from automate_connectors.models import Connection
from automate_core.models import ExecutionRun, StepRun
from tests.support.github import ISSUE
from tests.support.smtp import MailServer
from tests.support.walks import output, settle

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def connect(owner, monkeypatch):
    monkeypatch.setenv("AUTOMATE_SECRET_THEIRS", "s3cret-of-theirs")

    def make(connector, **config):
        made = Connection(name=connector, slug=f"my-{connector}", connector=connector, owner=owner, config=config)
        made.full_clean()
        made.save()

    return make


@pytest.fixture
def run(workflow, deliver, drain):
    def go(steps):
        workflow(f"name: Flow\nslug: flow\ntriggers: [{{endpoint: github}}]\nsteps:\n{steps}")
        assert deliver({"title": "Crash", "to": "ann@example.com"}).status_code == 202
        settle(drain)
        return ExecutionRun.objects.get()

    return go


def test_an_issue_is_made_by_a_run(run, connect, server):
    server.answer = lambda asked: (201, ISSUE, {})
    connect("github", token="env:THEIRS", base_url=server.url)
    done = run("""
  - key: issue
    action: github.create_issue
    connection: my-github
    inputs: {repository: o/r, title: '{{ event.payload.title }}'}
""")
    assert done.status == "succeeded" and output(done, "issue")["number"] == 7
    [asked] = server.asked
    assert asked.json == {"title": "Crash"} and asked.headers["authorization"] == "Bearer s3cret-of-theirs"


def test_a_limit_is_waited_for(run, connect, server):
    server.answer = lambda asked: (403, {"message": "API rate limit exceeded"}, {"Retry-After": "3600"})
    connect("github", token="env:THEIRS", base_url=server.url)
    waiting = run("""
  - key: issue
    action: github.create_issue
    connection: my-github
    inputs: {repository: o/r, title: x}
    retry: {attempts: 3, base: 1}
""")
    assert waiting.status == "waiting" and len(server.asked) == 1
    assert StepRun.objects.filter(run=waiting, path="issue").latest("id").error["code"] == "rate_limited"


def test_a_declared_service_is_called_again_after_its_limit(run, connect, server):
    """The limit names no time to wait; the repeated request carries the same key."""
    limited = (429, {"error": {"message": "Too many requests"}}, {"Retry-After": "0"})
    good = (
        200,
        {"id": "re_1", "object": "refund", "amount": 5, "currency": "eur", "status": "succeeded", "created": 1},
        {},
    )
    server.answer = lambda asked: limited if len(server.asked) == 1 else good
    connect("stripe", token="env:THEIRS", base_url=f"{server.url}/v1")
    done = run("""
  - key: refund
    action: stripe.refund
    connection: my-stripe
    inputs: {payment_intent: pi_1, amount: 5}
    retry: {attempts: 3, base: 0}
""")
    assert done.status == "succeeded" and output(done, "refund")["id"] == "re_1"
    first, second = server.asked
    assert first.body == second.body == b"payment_intent=pi_1&amount=5"
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] != ""


def test_a_mail_is_sent_by_a_run_over_the_connections_server(run, connect, settings):
    mail = MailServer()
    settings.AUTOMATE_EGRESS_ALLOW = [f"127.0.0.1:{mail.port}"]
    connect("email", host="127.0.0.1", port=mail.port, security="none", from_address="shop@example.com")
    try:
        done = run("""
  - key: mail
    action: email.send
    connection: my-email
    inputs:
      to: '{{ event.payload.to }}'
      subject: '{{ event.payload.title }}'
      html: '<p>{{ "<b>" | escape }}</p>'
""")
    finally:
        mail.close()
    assert done.status == "succeeded", done.error
    [got] = mail.received
    assert got.recipients == ["ann@example.com"] and got.message["Subject"] == "Crash"
    assert "<p>&lt;b&gt;</p>" in got.message.get_body(("html",)).get_content()
