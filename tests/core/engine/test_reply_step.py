"""The step that answers the caller: what it records, what it refuses, and which reply counts."""

from __future__ import annotations

import pytest

from automate_authoring.definitions.validation import find_problems
from automate_core.definition.document import DefinitionError
from automate_core.definition.parsing import parse
from automate_core.definition.reply_rules import header_name_problem
from automate_core.models import ExecutionRun, RunReply
from tests.support.walks import Slow, output, states

pytestmark = pytest.mark.django_db(transaction=True)


def problems(**fields):
    step = {"kind": "reply", "key": "answer", **fields}
    found = find_problems(parse({"name": "Flow", "slug": "flow", "steps": [step]}))
    return {problem.path: problem.reason for problem in found}


@pytest.mark.extended
def test_expressions_make_the_reply(publish, run):
    publish(
        """
  - {key: order, action: data.set, inputs: {number: '{{ event.payload.number }}', accepted: true}}
  - kind: reply
    key: answer
    status: '{{ 201 if steps.order.output.accepted else 409 }}'
    headers: {X-Order: '{{ event.payload.number }}', Location: '/orders/{{ event.payload.number }}'}
    body: {number: '{{ event.payload.number }}', note: 'Order {{ event.payload.number }}'}
  - {key: after, action: data.set, inputs: {status: '{{ steps.answer.output.status }}'}}
"""
    )
    ended = run({"number": 7})
    assert ended.status == "succeeded"
    assert output(ended, "answer") == {
        "status": 201,
        "content_type": "application/json",
        "headers": {"X-Order": "7", "Location": "/orders/7"},
        "body": {"number": 7, "note": "Order 7"},
    }
    assert output(ended, "after") == {"status": 201}
    reply = RunReply.objects.get()
    assert (reply.event_id, reply.run_id, reply.path, reply.attempt) == (ended.event_id, ended.pk, "answer", 1)


def test_a_text_reply_is_text(publish, run):
    publish("  - {kind: reply, key: answer, content_type: text/csv, body: '{{ event.payload }}'}")
    assert output(run({"a": True}), "answer")["body"] == '{"a": true}'


@pytest.mark.parametrize("status", ["200", "'{{ 204 }}'"])
def test_a_reply_may_have_no_body(publish, run, status):
    body = "" if status == "200" else ", body: {a: 1}"
    publish(f"  - {{kind: reply, key: answer, status: {status}{body}}}")
    assert "body" not in output(run(), "answer")


def test_of_several_replies_the_first_counts(publish, run):
    publish(
        """
  - kind: for_each
    key: each
    items: '{{ event.payload.items }}'
    steps: [{kind: reply, key: answer, body: '{{ item }}'}]
  - {kind: reply, key: late, body: late}
"""
    )
    assert run({"items": [1, 2]}).status == "succeeded"
    assert RunReply.objects.get().path == "each[0]/answer"


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ("status: '{{ event.payload.status }}'", "The status must be a number from 200 to 599, not 'ok'."),
        ("headers: {X-Note: '{{ event.payload.lines }}'}", "The header X-Note contains a character"),
        ("headers: {Location: 'javascript:{{ event.payload.status }}'}, status: 303", "Location must be a URL"),
        ("headers: {Location: '/x'}, status: '{{ 200 }}'", "Location needs the status 201, 202 or a redirect"),
    ],
)
def test_a_reply_that_cannot_be_sent_fails_the_step(publish, run, fields, reason):
    publish(f"  - {{kind: reply, key: answer, {fields}}}")
    ended = run({"status": "ok", "lines": "a\r\nSet-Cookie: b=c"})
    assert ended.status == "failed"
    assert ended.error["code"] == "invalid_reply" and ended.error["message"].startswith(reason), ended.error
    assert not RunReply.objects.exists()


def test_a_large_reply_is_refused(publish, run):
    body = ["{{ event.payload.text }}"] * 3
    publish(f"  - {{kind: reply, key: answer, body: {body}}}")
    ended = run({"text": "x" * 400_000})
    assert (ended.status, ended.error["code"]) == ("failed", "reply_too_large")


def test_the_secrets_of_the_run_are_masked_in_its_reply(publish, run):
    token = "ghp_" + "a1B2" * 9
    publish("  - {kind: reply, key: answer, body: {token: '{{ event.payload.token }}'}}")
    assert token not in str(output(run({"token": token}), "answer"))


def test_a_crash_at_the_reply_answers_once(publish, deliver):
    publish(
        """
  - {kind: reply, key: answer, body: '{{ event.payload.number }}'}
  - {key: post, action: http.request, inputs: {url: 'https://example.com/'}}
"""
    )
    assert deliver({"number": 1}).status_code == 202
    worker = Slow()
    worker.begin()
    assert worker.paths() == ["post"]
    first = RunReply.objects.get()  # the caller has the reply before the next step reaches outside
    worker.crash()
    worker.answer("post", b"{}")
    assert RunReply.objects.get().created_at == first.created_at
    assert states(ExecutionRun.objects.get())["answer"] == "succeeded"


# --- validation -------------------------------------------------------------------------------------------------------


def test_a_plain_reply_has_no_problems():
    assert problems(body={"ok": True}, headers={"X-A": "b", "Cache-Control": "no-cache"}, status="202") == {}
    assert problems(status=303, headers={"Location": "https://example.com/{{ event.payload.id }}"}) == {}


@pytest.mark.parametrize(
    ("fields", "path", "reason"),
    [
        ({"status": 101}, "status", "from 200 to 599"),
        ({"status": "soon"}, "status", "from 200 to 599"),
        ({"status": True}, "status", ""),
        ({"status": 204, "body": 1}, "body", "has no body"),
        ({"headers": {"Set-Cookie": "a=b"}}, "headers", "cannot set the header Set-Cookie"),
        ({"headers": {"Content-Type": "image/svg+xml"}}, "headers", "Choose the content type"),
        ({"headers": {"X A": "b"}}, "headers", "not a valid header name"),
        ({"headers": {"X-A": "b", "x-a": "c"}}, "headers", "set twice"),
        ({"headers": {"X-A": "b\r\nSet-Cookie: c=d"}}, "headers.X-A", "a character that headers cannot have"),
        ({"headers": {"X-A": "x" * 3_000}}, "headers.X-A", "at most 2,000 characters"),
        ({"headers": {"X-A": {}}}, "headers.X-A", "must be text"),
        ({"headers": {f"X-{n}": "b" for n in range(21)}}, "headers", "at most 20 headers"),
        ({"headers": {"Location": "/a"}}, "status", "Location needs the status"),
        ({"headers": {"Location": "//evil.example"}, "status": 303}, "headers.Location", "Location must be"),
        ({"body": "{{ steps.later.output }}"}, "body", "later"),
    ],
)
def test_faults_are_found_before_a_run(fields, path, reason):
    try:
        found = problems(**fields)
    except DefinitionError as error:
        found = {problem.path: problem.reason for problem in error.problems}
    assert reason in found[f"steps[0].{path}"]


def test_a_content_type_that_is_not_listed_is_refused():
    with pytest.raises(DefinitionError, match="image/svg"):
        problems(content_type="image/svg+xml")


@pytest.mark.parametrize(
    "name",
    [
        "Set-Cookie", "set-cookie2", "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "TE",
        "Trailer", "Transfer-Encoding", "Upgrade", "Content-Length", "Content-Encoding", "Content-Type",
        "Content-Security-Policy", "X-Content-Type-Options", "Strict-Transport-Security", "Clear-Site-Data", "Refresh",
        "X-Accel-Redirect", "X-Sendfile", "WWW-Authenticate", "Service-Worker-Allowed", "Automate-Event-Id",
        "Cross-Origin-Opener-Policy", "Access-Control-Allow-Credentials", "Date", "Server", "Set-Login", "Cookie", "Host",
        "Attribution-Reporting-Register-Source", "Observe-Browsing-Topics", "", "a:b", "a\nb",
    ],
)  # fmt: skip
def test_headers_that_a_reply_cannot_set(name):
    assert header_name_problem(name)
