"""Warnings about what is valid and may go wrong all the same, and secrets typed as plain text, which are errors."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from automate_authoring import workflows
from automate_connectors.adapters.base import Action
from automate_connectors.registry import connectors
from automate_core.definition.document import DefinitionError
from automate_core.definition.parsing import parse
from automate_core.models import Workflow
from tests.support.editors import Editor
from tests.support.pages import Page, tidy

pytestmark = pytest.mark.django_db

PAY = {"key": "pay", "name": "Refund the order", "action": "http.request", "inputs": {"url": "/v1/x", "method": "POST"}}
PAID = {"key": "told", "action": "data.log", "inputs": {"message": "no money"}}


@pytest.fixture
def draft(owner, endpoint):
    """A draft of these steps, started by the GitHub endpoint unless told otherwise."""

    def make(*steps, triggers=({"kind": "webhook", "endpoint": "github"},)):
        document = {"name": "Cautious", "slug": "cautious", "triggers": list(triggers), "steps": list(steps)}
        return Editor(workflows.save_definition(parse(document), owner=owner), owner)

    return make


def warned(editor, word):
    return {
        (found.step or found.trigger, found.field)
        for found in editor.state.problems
        if word in found.reason and found.level == "warning"
    }


def test_what_moves_money_needs_a_way_out(draft):
    caught = {"kind": "try", "key": "t", "steps": [{**PAY, "key": "safe"}], "on_error": [PAID]}
    taken_up = {**PAY, "key": "taken_up", "on_error": {"value": None}}
    looked_at = {**PAY, "key": "looked_at", "inputs": {"url": "/v1/refunds", "method": "GET"}}
    by_address = {"key": "call", "action": "http.request", "inputs": {"url": "/v1/charges?x=1", "method": "POST"}}
    loose = {"kind": "try", "key": "loose", "steps": [{**PAY, "key": "not_caught"}], "always": [{**PAID, "key": "end"}]}
    editor = draft(PAY, caught, taken_up, looked_at, by_address, loose)
    assert warned(editor, "moves money") == {("pay", "on_error"), ("call", "on_error"), ("not_caught", "on_error")}


def test_an_action_may_say_that_it_moves_money(draft, monkeypatch):
    adapter = connectors.get("data")
    monkeypatch.setattr(adapter, "actions", (*adapter.actions, Action(name="settle", moves_money=True)), raising=False)
    assert warned(draft({"key": "s", "action": "data.settle"}), "moves money") == {("s", "on_error")}


def test_a_sum_outside_the_braces_makes_a_text(draft):
    sums = {"a": "{{ event.payload.amount }} * 2", "b": {"c": ["{{ event.payload.x }} + {{ event.payload.y }}"]}}
    texts = {"d": "{{ event.payload.a }} - {{ event.payload.b }}", "e": "{{ (event.payload.amount | to_number) * 2 }}"}
    editor = draft({"key": "set", "action": "data.set", "inputs": sums | texts})
    assert warned(editor, "This text is not calculated") == {("set", "inputs.a"), ("set", "inputs.b")}
    assert warned(editor, "Write {{ (event.payload.amount | to_number) * 2 }}") == {("set", "inputs.a")}


def test_what_starts_itself(draft, settings):
    settings.AUTOMATE_MODEL_TRIGGERS = {"auth.User": {"fields": ["email"]}}
    settings.AUTOMATE_MODELS = {"auth.User": {"read": ["email"], "write": ["email"]}}
    hook = {"key": "post", "action": "http.request", "inputs": {"url": "https://here/hooks/github/", "method": "POST"}}
    assert warned(draft(hook), "start this workflow again") == {("post", "inputs.url")}
    call = {"kind": "workflow", "key": "call", "workflow": "other"}
    after = [{"kind": "run", "workflow": "other"}]
    assert warned(draft(call, triggers=after), "starts this workflow again") == {("call", "workflow")}
    write = {"key": "w", "action": "models.create", "inputs": {"model": "auth.user", "values": {"email": "x"}}}
    change = {"kind": "model", "model": "auth.User"}
    assert warned(draft(write, triggers=[change]), "again") == set(), "its own changes are left out"
    editor = draft(write, triggers=[{**change, "own_changes": True}])
    assert warned(editor, "again") == {("w", "inputs.model"), ("model", "own_changes")}


def test_a_repetition_that_nothing_ends(draft):
    def repeat(key, until, *steps):
        return {"kind": "repeat", "key": key, "until": until, "maximum": 20, "steps": list(steps)}

    look = {"key": "look", "action": "data.set"}
    editor = draft(
        repeat("never", {"==": [{"var": "event.type"}, "x"]}, PAID),
        repeat("ends", {"==": [{"var": "steps.look.output.x"}, 1]}, look),
        repeat("kept", {"exists": [{"var": "vars.k"}]}, {**look, "key": "keep", "save_as": "k"}),
        repeat("clock", {"after": [{"now": []}, "2026-01-01"]}, {**PAID, "key": "tick"}),
        repeat("once", True, {**PAID, "key": "only"}),
    )
    assert warned(editor, "No step inside changes") == {("never", "until")}


def test_people_whom_nobody_knows(draft, owner):
    known = {"kind": "approval", "key": "known", "assignees": [owner.get_username(), "{{ event.payload.who }}"]}
    lost = {"kind": "approval", "key": "lost", "assignees": ["nemo"], "groups": ["Captains"]}
    editor = draft({**known, "timeout": "1d"}, {**lost, "timeout": "1d"})
    assert warned(editor, "The step would fail") == {("lost", "assignees")}
    [unknown] = [each for each in editor.state.problems if "No group is called Captains." in each.reason]
    assert (unknown.level, unknown.step, unknown.field) == ("error", "lost", "groups")


def test_an_approver_who_is_not_active_is_named_before_publishing_and_on_the_page(draft, owner, colleague, sign_in):
    names = [owner.get_username(), colleague.get_username()]
    editor = draft({"kind": "approval", "key": "ok", "name": "Agree", "assignees": names, "timeout": "1d"})
    client, workflow = sign_in(owner), Workflow.objects.get()
    urls = [
        reverse("studio:review", args=[workflow.pk]),
        reverse("admin:automate_core_workflow_change", args=[workflow.pk]),
    ]
    assert not any("No active person is called" in tidy(client.get(url).content.decode()) for url in urls)
    colleague.is_active = False
    colleague.save()
    said = "No active person is called colleague. Type the whole username. Only the other approvers are asked."
    assert warned(editor, said) == {("ok", "assignees")}
    assert said in tidy(client.get(urls[0]).content.decode())
    assert f"Step Agree: {said}" in tidy(client.get(urls[1]).content.decode())


def test_what_sounds_sensitive_and_leaves(draft):
    sent = {"url": "/x", "json": {"n": "{{ event.payload.user.ssn }}", "name": "{{ event.payload.user.name }}"}}
    kept = {"key": "kept", "action": "data.set", "inputs": {"n": "{{ event.payload.user.ssn }}"}}
    editor = draft({"key": "send", "action": "http.request", "inputs": sent}, kept)
    assert warned(editor, "may be sensitive") == {("send", "inputs.json")}
    [found] = [each for each in editor.state.problems if "sensitive" in each.reason]
    assert "event.payload.user.ssn" in found.reason and "name" not in found.reason.partition(" sounds")[0]


@pytest.mark.parametrize(
    ("inputs", "field"),
    [
        ({"url": "/x", "headers": {"Authorization": "Basic dXNlcjpQYXNzMTIz"}}, "inputs.headers"),
        ({"url": "/x", "body": "key is ghp_" + "a1B2" * 8}, "inputs.body"),
        ({"url": "/x", "json": {"items": [{"api_key": "f3A9-77xQ-zz01"}]}}, "inputs.json"),
    ],
)
def test_a_secret_in_plain_text_keeps_a_draft_from_being_published(draft, inputs, field):
    editor = draft({"key": "send", "action": "http.request", "inputs": {"url": "/x"}})
    editor.do("edit", key="send", set={f"inputs.{name}": value for name, value in inputs.items()})
    [found] = [each for each in editor.state.problems if each.level == "error"]
    assert (found.step, found.field) == ("send", field) and "secret in plain text" in found.reason
    with pytest.raises(DefinitionError, match="secret in plain text"):
        workflows.publish(editor.workflow, author=editor.by)


def test_what_only_looks_a_little_like_a_secret_is_none(draft):
    inputs = {
        "url": "/x",
        "headers": {"Authorization": "Bearer {{ event.payload.t }}"},
        "json": {"token": "customer name"},
    }
    assert not [
        each
        for each in draft({"key": "s", "action": "http.request", "inputs": inputs}).state.problems
        if "plain text" in each.reason
    ]


ORDER = {"kind": "manual", "inputs": [{"name": "total", "kind": "number"}, {"name": "version"}]}
QUESTION = "5.000 has two readings. Did you mean 5 or 5000?"
NEVER = "“many” is text, and this field is a number. They are never equal."


def test_a_text_that_no_number_equals(draft):
    def branch(key, *rules):
        arms = [{"key": f"r{index}", "when": rule, "steps": []} for index, rule in enumerate(rules)]
        return {"kind": "branch", "key": key, "arms": arms}

    total, version = {"var": "event.payload.total"}, {"var": "event.payload.version"}
    rules = [{"==": [total, "5.000"]}, {"!": {"==": [total, "many"]}}, {"==": [total, "5"]}, {"==": [version, "5.000"]}]
    called = {"key": "call", "action": "http.request", "inputs": {"url": "https://erp.example.com/"}}
    written = {
        "a": '{{ event.payload.total == "5.000" }}',
        "b": '{{ "many" != steps.call.output.status }}',
        "c": '{{ event.payload.version == "5.000" }}',
    }
    steps = [called, branch("route", *rules), {"key": "set", "action": "data.set", "inputs": written}]
    editor = draft(*steps, triggers=(ORDER,))
    place = ("route", "arms[0].when.==[1]"), ("set", "inputs.a")
    assert warned(editor, QUESTION) == set(place)
    assert warned(editor, NEVER) == {("route", "arms[1].when.!.==[1]"), ("set", "inputs.b")}
    assert all(found.level == "warning" for found in editor.state.problems), "it can be published"
    anything = draft(*steps, triggers=(ORDER, {"kind": "webhook", "endpoint": "github"}))
    assert warned(anything, QUESTION) == set(), "a sender may send a version called 5.000"


def test_a_number_is_not_searched_as_a_text(draft):
    total, version = {"var": "event.payload.total"}, {"var": "event.payload.version"}
    rules = [
        {"contains": [total, "5,000"]},
        {"or": [{"starts_with": [total, 5]}, {"!": {"ends_with": [total, "0"]}}]},
        {"matches": [total, "^5"]},
        {"contains": [version, total]},
        {"in": [total, [5, 6]]},
    ]
    arms = [{"key": f"r{index}", "when": rule, "steps": []} for index, rule in enumerate(rules)]
    editor = draft({"kind": "branch", "key": "route", "arms": arms}, triggers=(ORDER,))
    found = ("arms[0].when.contains[1]", "arms[1].when.or[0].starts_with[1]", "arms[1].when.or[1].!.ends_with[1]")
    expected = {("route", place) for place in (*found, "arms[2].when.matches[1]")}
    assert warned(editor, "A number never contains") == expected


ASKS = {"kind": "approval", "key": "ask", "assignees": ["col"], "timeout": "1d", "message": "ok"}


@pytest.mark.parametrize(("may_view", "finds"), [(False, False), (True, True)])
def test_people_are_found_by_any_part_of_their_name_within_what_one_may_see(
    draft, sign_in, owner, colleague, may_view, finds
):
    colleague.first_name, colleague.last_name, colleague.email = "Anton", "Nowak", "an@example.com"
    colleague.save()
    if may_view:
        owner.user_permissions.add(Permission.objects.get(codename="view_user"))
    editor = draft(ASKS)
    listed = Page(
        sign_in(owner).post(reverse("studio:builder_options", args=[editor.workflow.pk, "ask"]), {"field": "assignees"})
    )
    assert ("Anton Nowak · an@example.com" in listed.text) is finds
    assert "type the whole username" in listed.text
    url = reverse("studio:share_names", args=["workflow", editor.workflow.pk])
    for begun in ("olleag", "nto", "owak", "an@exa"):
        assert ("colleague" in sign_in(owner).get(url, {"name": begun}).content.decode()) is finds, begun
    assert any("Type the whole username" in each.reason for each in editor.state.problems)
