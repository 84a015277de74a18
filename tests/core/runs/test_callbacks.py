"""Callbacks: signed addresses that take one POST, before or after the run comes to wait for it."""

from __future__ import annotations

import json
import re
import threading
import uuid
from urllib.parse import urlsplit

import pytest
from asgiref.sync import async_to_sync
from asgiref.testing import ApplicationCommunicator
from django.core.asgi import get_asgi_application
from django.db import connections
from django.test import Client

from automate_core.asgi import automate
from automate_core.definition.document import DefinitionError
from automate_core.models import ExecutionRun, OutboxJob, Wait
from automate_core.runs.waits import approvals, rejected_callbacks
from automate_core.webhooks.callback_urls import callback_url, form_page_url
from automate_core.webhooks.schemes.registry import SCHEMES
from automate_governance.models import AuditEntry, StoredSecret
from automate_governance.reference_registry import describe_referrers

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def run(workflow):
    made = workflow("{name: C, slug: c, steps: [{kind: wait, key: answer, callback: true, timeout: 1h}]}")
    return ExecutionRun.objects.create(workflow=made, version=made.published, status="waiting", trace_id="1" * 32)


@pytest.fixture
def wait(run):
    return Wait.objects.create(run=run, path="answer", kind="callback")


def post(run_id, body='{"ok": true}', *, path="answer", url=None, **extra):
    content_type = extra.pop("content_type", "application/json")
    where = url or urlsplit(callback_url(run_id, path)).path
    return Client().post(where, body, content_type=content_type, **extra)


def test_a_post_resolves_the_wait_and_wakes_the_run_once(run, wait):
    answer = post(run.pk)
    assert (answer.status_code, answer.json()) == (202, {"trace_id": run.trace_id})
    wait.refresh_from_db()
    run.refresh_from_db()
    assert (wait.status, wait.outcome) == ("resolved", {"outcome": "received", "payload": {"ok": True}})
    assert (run.wakes, wait.seq == run.seq) == (1, True)
    assert OutboxJob.objects.get().run_id == run.pk
    assert post(run.pk).status_code == 409
    run.refresh_from_db()
    assert run.wakes == 1


def test_one_that_comes_before_the_run_is_kept_for_it(run):
    ExecutionRun.objects.update(status="running")
    assert post(run.pk).status_code == 202
    assert Wait.objects.get().outcome["payload"] == {"ok": True}
    assert ExecutionRun.objects.get().wakes == 1
    assert post(run.pk).status_code == 409


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
def test_an_ended_run_takes_none(run, wait, state):
    ExecutionRun.objects.update(status=state)
    assert post(run.pk).status_code == 410


def test_one_whose_time_is_over_takes_none(run, wait):
    Wait.objects.update(status="expired")
    assert post(run.pk).status_code == 410


def test_a_run_that_is_gone_takes_none(run):
    assert post(uuid.uuid4()).status_code == 410


def test_only_our_own_addresses_are_taken(run, wait):
    path = urlsplit(callback_url(run.pk, "answer")).path
    for forged in (path[:-3] + "xx/", "/hooks/callback/x/", "/hooks/callback/a:b/", "/hooks/callback/%00/"):
        assert post(run.pk, url=forged).status_code == 404
    other = urlsplit(callback_url(run.pk, "other")).path
    assert other != path and callback_url(run.pk, "answer") == callback_url(run.pk, "answer")


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("body", "extra", "status"),
    [
        ("{", {}, 400),
        ('{"a": "\\u0000"}', {}, 400),
        ("[" * 100 + "]" * 100, {}, 400),
        ("x" * 2_000_000, {}, 413),
        ("a=b", {"content_type": "application/x-www-form-urlencoded"}, 415),
        ("{}", {"headers": {"Content-Encoding": "gzip"}}, 415),
    ],
)
def test_bodies_have_the_limits_of_deliveries(run, wait, body, extra, status):
    assert post(run.pk, body, **extra).status_code == status
    assert Wait.objects.get().status == "open"


def test_who_tries_addresses_is_in_the_trail_and_floods_nothing(run, wait, monkeypatch):
    monkeypatch.setattr(rejected_callbacks, "minute", rejected_callbacks._Minute())
    for _ in range(rejected_callbacks.MOST + 3):
        assert post(run.pk, url="/hooks/callback/forged/").status_code == 404
    assert post(run.pk).status_code == 202
    entries = AuditEntry.objects.filter(verb="callback.refused")
    assert entries.count() == rejected_callbacks.MOST
    first = entries.last()
    assert (first.actor, first.object, first.address, first.source) == ("nobody", "site", "127.0.0.1", "webhook")
    assert first.changes == {"status": 404, "reason": "This callback does not exist."}
    rejected_callbacks.minute._ends = 0  # the next minute
    ExecutionRun.objects.update(status="succeeded")
    assert post(run.pk).status_code >= 400
    assert entries.first().changes["left_out"] == 3
    assert (entries.first().object_type, entries.first().object_id) == ("automate_core.executionrun", str(run.pk))


@pytest.mark.extended
def test_an_address_is_sent_and_shown_only_in_the_step_that_it_answers(workflow, deliver, drain, sink, sign_in, owner):
    workflow(f"""
name: Ask
slug: ask
triggers: [{{endpoint: github}}]
steps:
  - {{key: text, action: data.set, inputs: {{value: 'Answer at {{{{ callbacks.answer }}}}'}}}}
  - {{key: send, action: http.request, inputs: {{method: POST, url: '{sink.url}/', json: '{{{{ steps.text.output }}}}'}}}}
  - {{kind: wait, key: answer, callback: true, timeout: 1h}}
""")
    deliver()
    drain()
    made = ExecutionRun.objects.get()
    address = callback_url(made.pk, "answer")
    assert sink.calls[0][2] == {"value": f"Answer at {address}"}
    client, at = sign_in(owner), f"/admin/automate/runs/{made.pk}"
    shown = [client.get(f"{at}/step/{path}/").text for path in ("text", "send")]
    page = client.get(f"/admin/automate_core/executionrun/{made.pk}/change/").text
    button = f'data-copy="{address}"'
    assert page.count(button) == 1, "whoever may answer can copy it from the step that waits"
    shown += [page.replace(button, "")]
    for part in ("input", "output"):
        answer = client.post(f"{at}/download/text/", {"part": part, "attempt": "1"})
        shown.append(b"".join(answer.streaming_content).decode() if answer.streaming else answer.text)
    token = address.split("/")[-2]
    assert [token in text for text in shown] == [False] * 5
    assert ["callback/***/" in text for text in shown] == [True, True, False, True, True], "the page says no values"


def test_looking_uses_nothing_up(run, wait):
    assert Client().get(urlsplit(callback_url(run.pk, "answer")).path).status_code == 405
    assert Client().head(urlsplit(callback_url(run.pk, "answer")).path).status_code == 405
    for body in ("", " \n"):
        assert post(run.pk, body).status_code == post(run.pk, body, content_type="text/plain").status_code == 400
    assert Wait.objects.get().status == "open"
    assert post(run.pk, "null").status_code == 202
    assert Wait.objects.get().outcome["payload"] is None


def test_a_person_who_opens_the_url_reads_whom_it_is_for(run, wait):
    at, browser = urlsplit(callback_url(run.pk, "answer")).path, "text/html,application/xhtml+xml,*/*;q=0.8"
    seen = Client().get(at, headers={"Accept": browser})
    assert (seen.status_code, seen["Allow"], seen["Content-Type"]) == (405, "POST", "text/html; charset=utf-8")
    [heading] = re.findall("<h1>(.*?)</h1>", seen.text)
    assert heading == "This URL is for programs" and "still waits" in seen.text and "da-public" in seen.text
    german = Client().get(at, headers={"Accept": browser, "Accept-Language": "de"})
    assert "Diese URL ist für Programme" in german.text
    assert Client().get(at).json() == {"error": "Use POST."}
    assert Wait.objects.get().status == "open"


def test_of_two_at_once_one_counts(run, wait):
    barrier, statuses = threading.Barrier(4), []

    def send(number):
        try:
            barrier.wait()
            statuses.append(post(run.pk, json.dumps({"n": number})).status_code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [202, 409, 409, 409]
    run.refresh_from_db()
    assert run.wakes == 1


def test_the_asgi_application_leaves_callbacks_to_django(run, wait, endpoint):
    async def ask(path):
        scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
                 "headers": [(b"content-type", b"application/json"), (b"host", b"localhost")],
                 "http_version": "1.1", "server": ("localhost", 80), "client": ("127.0.0.1", 1)}  # fmt: skip
        application = ApplicationCommunicator(automate(get_asgi_application()), scope)
        await application.send_input({"type": "http.request", "body": b'{"n": 1}'})
        start = await application.receive_output(10)
        await application.wait(10)  # until it has let go of its connection
        return start["status"]

    assert async_to_sync(ask)(urlsplit(callback_url(run.pk, "answer")).path) == 202
    assert async_to_sync(ask)("/hooks/callback/nonsense/") == 404
    assert async_to_sync(ask)("/hooks/github/") == 401
    assert async_to_sync(ask)("/hooks/callback/") == 401, "an endpoint may have that name"


def test_making_an_address_asks_nobody(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert callback_url(uuid.uuid4(), "each[3]/answer").startswith("http://127.0.0.1:8000/hooks/callback/")


def test_a_project_without_hosted_forms_has_no_address_for_their_pages(settings):
    assert "/forms/" in form_page_url(uuid.uuid4(), "ask")
    settings.ROOT_URLCONF = "automate_core.urls"
    assert form_page_url(uuid.uuid4(), "ask") == ""


THROUGH = """
name: Through
slug: through
triggers: [{endpoint: github}]
steps:
  - {kind: approval, key: ask, assignees: [owner], timeout: 1h}
  - {kind: wait, key: answer, callback: true, timeout: 1h}
  - {key: keep, action: data.set, inputs: {got: '{{ steps.answer.output.payload.n }}'}}
"""


@pytest.mark.extended
@pytest.mark.parametrize("ahead", [True, False], ids=["before", "after"])
def test_a_run_goes_on_with_what_was_posted(workflow, deliver, drain, owner, ahead):
    workflow(THROUGH)
    deliver()
    drain()
    run = ExecutionRun.objects.get()
    for step in ("post", "decide") if ahead else ("decide", "post"):
        if step == "post":
            assert post(run.pk, '{"n": 7}').status_code == 202
        else:
            approvals.decide_approval(Wait.objects.get(kind="approval"), by=owner, outcome="approved")
        drain()
    run.refresh_from_db()
    assert (run.status, run.steps.get(path="keep").output) == ("succeeded", {"got": 7})
    assert post(run.pk).status_code == 409, "as before its end"


# --- the sender's own signature ---------------------------------------------------------------------------------------

SIGNED = """
name: Signed
slug: signed
steps:
  - kind: for_each
    key: each
    items: '{{ [1] }}'
    steps: [{kind: wait, key: answer, callback: true, timeout: 1h, scheme: %s, secret: 'database:vendor'}]
"""
SIGNING = [code for code, scheme in SCHEMES.items() if scheme.has_secret and scheme.can_sign]


def _stored(owner, value):
    secret = StoredSecret(name="vendor", owner=owner)
    secret.put(value)
    secret.save(force_insert=True)
    return secret


def _signed(scheme, secret, address):
    body = b'{"paid": true}'
    address = scheme.address(address, body, "application/json")
    parts = urlsplit(address)
    headers = scheme.sign(secret, body, event_type="paid", delivery="d-1", url=address, content_type="application/json")
    url = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return {"body": body, "url": url, "headers": headers}


@pytest.mark.parametrize(
    "code", [pytest.param(code, marks=[] if code == "stripe" else pytest.mark.extended) for code in SIGNING]
)
def test_a_callback_has_to_be_signed_where_the_wait_demands_it(code, workflow, owner):
    scheme = SCHEMES[code]({})
    value, other = scheme.new_secret(), scheme.new_secret()
    secret = _stored(owner, value)
    made = workflow(SIGNED % code)
    run = ExecutionRun.objects.create(workflow=made, version=made.published, status="waiting", trace_id="1" * 32)
    wait = Wait.objects.create(run=run, path="each[0]/answer", kind="callback")
    address = callback_url(run.pk, "each[0]/answer")
    assert post(run.pk, path="each[0]/answer").status_code == 401
    assert post(run.pk, **_signed(scheme, other, address)).status_code == 401
    wait.refresh_from_db()
    assert wait.status == "open"
    assert post(run.pk, **_signed(scheme, value, address)).status_code == 202
    wait.refresh_from_db()
    assert wait.outcome["payload"] == {"paid": True}
    assert post(run.pk, **_signed(scheme, value, address)).status_code == 409
    assert describe_referrers(secret) == ["workflow Signed"]


@pytest.mark.parametrize("now", ["deleted", "short"])
def test_a_secret_that_is_no_more_proves_nothing(now, workflow, owner):
    """Neither the value that the secret had, nor one that anybody could guess."""
    scheme = SCHEMES["stripe"]({})
    value = scheme.new_secret()
    secret = _stored(owner, value)
    made = workflow(SIGNED % "stripe")
    run = ExecutionRun.objects.create(workflow=made, version=made.published, status="waiting", trace_id="1" * 32)
    if now == "deleted":
        StoredSecret.objects.all().delete()
    else:
        secret.put(value := "short")
        secret.save()
    address = callback_url(run.pk, "each[0]/answer")
    assert post(run.pk, **_signed(scheme, value, address)).status_code == 401


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (SIGNED % "nothing", r"\.scheme: Unknown scheme"),
        (SIGNED % "hmac, scheme_config: {encoding: none}", r"\.scheme_config: "),
        (SIGNED % "unsigned", "does not verify callbacks"),
        ((SIGNED % "stripe").replace("database:", "whsec_"), "not a reference"),
        ((SIGNED % "stripe").replace("scheme: stripe, ", ""), "Choose a signature scheme first."),
        ((SIGNED % "stripe").replace(", secret: 'database:vendor'", ""), "Choose the secret that signs callbacks."),
        (SIGNED % "stripe", "Secret database:vendor does not exist, or you may not use it"),
    ],
)
def test_what_cannot_be_verified_is_not_published(workflow, text, reason):
    with pytest.raises(DefinitionError, match=reason):
        workflow(text)
