"""Review, publish, compare and go back, over HTTP."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse
from guardian.shortcuts import assign_perm

from automate_authoring import workflows
from automate_authoring.definitions import yaml_files
from automate_authoring.publishing import differences, shadow_evaluation
from automate_connectors.models import Connection
from automate_core.definition.parsing import parse
from automate_core.models import Event, ExecutionRun, Workflow
from automate_governance.models import AuditEntry
from tests.support.costs import at_most
from tests.support.editors import Editor
from tests.support.events import came_to, of_endpoint
from tests.support.large_workflows import large_workflow
from tests.support.pages import Page, tidy
from tests.support.workflows import TRIAGE

pytestmark = pytest.mark.django_db(transaction=True)


class Door:
    """One workflow's pages, as somebody."""

    def __init__(self, client, workflow):
        self.client, self.workflow = client, workflow

    def url(self, name, *more):
        return reverse(f"studio:{name}", args=[self.workflow.pk, *more])

    def review(self):
        return self.client.get(self.url("review"))

    def form(self):
        """The fields of the form that publishes, as the page has them; empty without one."""
        named = {a.get("name"): a.get("value", "") for tag, a in Page(self.review()).tags if tag == "input"}
        return {name: named[name] for name in ("rev", "version") if name in named}

    def publish(self, **fields):
        return self.client.post(self.url("review"), {**self.form(), **fields})

    def compare(self, **names):
        return self.client.get(self.url("versions_compare"), names)


@pytest.fixture
def made(workflow):
    return workflow(TRIAGE)


@pytest.fixture
def door(made, sign_in, owner):
    return Door(sign_in(owner), made)


@pytest.fixture
def editor(made, owner):
    return Editor(made, owner)


def changes(response):
    """The worded differences: key, kind and words."""
    found = re.findall(r'<li data-kind="(\w+)" data-key="(\w*)">(.*?)</li>', tidy(response.content.decode()), re.DOTALL)
    return [(kind, key, " ".join(re.sub(r"<[^>]*>", " ", words).split())) for kind, key, words in found]


# --- the review -------------------------------------------------------------------------------------------------------


def test_the_review_says_what_changed_and_who_did_it(door, editor, made, colleague):
    for verb in ("view", "change"):
        assign_perm(f"{verb}_workflow", colleague, made)
    editor.do("edit", key="tell", set={"inputs.message": "Hello"})
    editor.do("rename", key="last", name="The end")
    Editor(made, colleague).do("delete", key="both")
    editor.do("move", key="careful", parent="", slot="", index=0)
    editor.do("add", kind="action", action="data.log", parent="route", slot="question", index=0)
    editor.do("edit_condition", key="route", arm="bug", when={"==": [{"var": "event.payload.kind"}, "bug"]})
    found = changes(door.review())
    assert [(kind, key) for kind, key, _ in found] == [
        ("removed", "both"),
        ("moved", "careful"),
        ("changed", "route"),
        ("changed", "tell"),
        ("added", "log"),
        ("changed", "last"),
    ]
    said = {key: words for _, key, words in found}
    assert "(with 1 step inside)" in said["both"] and "by colleague" in said["both"]
    assert "moved within the top level" in said["careful"]
    assert "title is bug" in said["route"] and "kind is bug" in said["route"] and "by owner" in said["route"]
    assert "{{ steps.look.output.title }} Hello" in said["tell"] and "by owner" in said["tell"]
    assert "added to Question of Route" in said["log"]
    assert "Last The end" in said["last"]


STOPS = """
name: Stops
slug: stops
steps:
  - {key: look, name: Look, action: data.set}
  - kind: approval
    key: ask
    name: Ask the boss
    assignees: [owner]
    timeout: 1d
    outcomes:
      - {key: approved, name: Approve, steps: [{kind: stop, key: stop, name: Stop}]}
      - {key: rejected, name: Reject, steps: [{kind: stop, key: stop_2, name: Stop}]}
"""


def test_the_review_tells_steps_of_one_name_apart(workflow, sign_in, owner, drain):
    door = Door(sign_in(owner), workflow(STOPS))
    door.client.post(door.url("builder_test"), {"step": "look", "mode": "dry", "scope": "step"})
    drain()
    said = Page(door.review()).text.split("Not tested: ")[1]
    assert "Stop (Approve of Ask the boss), Stop (Reject of Ask the boss)" in said
    editor = Editor(door.workflow, owner)
    editor.do("edit", key="stop_2", set={"outcome": "failed", "message": "{{ steps.nowhere.output }}"})
    assert "Stop (Reject of Ask the boss) changed: " in changes(door.review())[0][2]
    door.client.defaults["HTTP_ACCEPT_LANGUAGE"] = "de"
    assert "Stop (Ablehnen von Ask the boss)" in Page(door.review()).text


def test_the_review_names_fields_as_the_forms_do(door, editor):
    editor.do("edit", key="tell", set={"inputs.message": "Hello", "on_error": {"value": 1}, "retry": {"attempts": 3}})
    shown = tidy(door.review().content.decode())
    fields = re.findall(r"<dt>(.*?)</dt>", shown)
    assert fields[:3] == ["Message", "Maximum attempts (retries)", "Value (on error)"]
    assert "changed: Message, " in changes(door.review())[0][2]


READS = """
name: Reads
slug: reads
triggers:
  - {kind: schedule, cron: 30 8 * * 1-5}
  - {kind: form, slug: reads, inputs: [{name: supplier, label: Supplier}, {name: note}]}
steps:
  - key: read
    action: data.parse_csv
    inputs: {text: a, delimiter: ';'}
  - key: only
    name: Only large ones
    action: data.filter
    inputs: {items: '{{ steps.read.output.items }}', where: [{field: Betrag, op: '>', value: 1000}]}
  - {key: each, kind: for_each, items: [1], steps: [{key: note, action: data.log, inputs: {message: Hi}}]}
"""


def test_the_review_shows_values_as_the_forms_do(workflow, sign_in, owner):
    door = Door(sign_in(owner), workflow(READS))
    editor = Editor(door.workflow, owner)
    editor.do("edit", key="read", set={"inputs.numbers": ",", "inputs.dates": "day"})
    editor.do("edit", key="only", set={"inputs.where": [{"field": "Betrag", "op": "<=", "value": 500}]})
    editor.do("edit", key="each", set={"concurrency": 3})
    assert "changed: maximum items at once" in changes(door.review())[-1][2]
    editor.do("edit", key="each", set={"on_item_error": "collect", "items": [1, "two"], "disabled": True})
    trigger, form = (door.workflow.triggers.get(kind=kind).key for kind in ("schedule", "form"))
    editor.do("edit_trigger", key=trigger, set={"cron": "45 7 * * 1-5"})
    values = [
        (was, now)
        for was, now in re.findall(
            r"<dd>\s*(?:<del>(.*?)</del>)?\s*(?:<ins>(.*?)</ins>)?\s*</dd>", tidy(door.review().content.decode())
        )
    ]
    assert ("Weekdays at 08:30", "Weekdays at 07:45") in values
    assert ("Betrag is more than 1000", "Betrag is at most 500") in values
    assert ("As text", "1.234,50") in values and ("As text", "Day first: 31.12.2026") in values, values
    assert ("1", "1, two") in values and "Yes" in [now for _, now in values]
    assert "Continue and keep the error as the item" in [now for _, now in values]
    workflow_form = {"inputs": [{"name": "supplier", "label": "Supplier", "required": True}, {"name": "note"}]}
    editor.do("edit_trigger", key=form, set=workflow_form)
    shown = tidy(door.review().content.decode())
    assert "<dt>field supplier</dt>" in shown and "<ins>Label: Supplier, Required: Yes</ins>" in shown
    assert not [each for pair in values for each in pair if each[:1] in "[{" and each], "no JSON"


@pytest.mark.parametrize(("access", "is_said"), [("public", True), ("link", False), ("signed_in", False)])
def test_the_review_says_that_a_form_is_public(workflow, sign_in, owner, access, is_said):
    made = workflow(
        "name: Asks\nslug: asks\nsteps: []\n"
        f"triggers: [{{kind: form, slug: asks, access: {access}, inputs: [{{name: a}}]}}]\n",
        publish=False,
    )
    said = Page(Door(sign_in(owner), made).review()).text
    assert ("The form at /forms/asks/ is public: anyone who has its address can answer it." in said) is is_said


def test_side_by_side_shows_the_lines_that_differ(door, editor):
    editor.do("rename", key="look", name="Look well")
    content = door.review().content.decode()
    assert "<del>    name: Look</del>" in content and "<ins>    name: Look well</ins>" in content
    assert "unchanged lines" in content and "In left" not in content


def test_what_came_and_went_is_no_difference(door, editor, made):
    editor.do("rename", key="look", name="Else")
    editor.undo()
    made.refresh_from_db()
    page = Page(door.review())
    assert "Nothing to publish" in page.text and "publish" not in page.ids


def test_an_edit_that_is_taken_back_is_by_whoever_took_it_back(door, editor, made, colleague):
    for verb in ("view", "change"):
        assign_perm(f"{verb}_workflow", colleague, made)
    editor.do("rename", key="look", name="Else")
    door.publish()
    Editor(made, colleague).undo()
    [(_, key, words)] = changes(door.review())
    assert key == "look" and "Look changed: name by colleague" in words


def test_publishing_with_a_message(door, editor, made):
    editor.do("rename", key="look", name="Look well")
    answer = door.publish(message="Looks\0 better ")
    assert answer.status_code == 303
    version = made.versions.first()
    assert (version.number, version.message, version.author.username) == (2, "Looks better", "owner")
    assert "Version 2 is live." in Page(door.client.get(answer["Location"])).text
    assert AuditEntry.objects.filter(verb="workflow.published").latest("pk").changes["version"] == 2
    assert "Looks better" in Page(door.client.get(door.url("versions"))).text


@pytest.mark.extended
def test_runs_in_progress_are_counted_and_stay(door, editor, made):
    ExecutionRun.objects.create(workflow=made, version=made.published, trace_id="0" * 32, status="waiting")
    editor.do("rename", key="look", name="Look well")
    assert "1 run (Waiting) will finish on v1." in Page(door.review()).text
    answer = door.publish()
    assert "1 run will finish on v1." in Page(door.client.get(answer["Location"])).text


def test_a_draft_that_moved_is_not_published_unseen(door, editor, made, colleague):
    for verb in ("view", "change"):
        assign_perm(f"{verb}_workflow", colleague, made)
    editor.do("rename", key="look", name="Mine")
    seen = door.form()
    Editor(made, colleague).do("rename", key="last", name="Theirs")
    answer = door.client.post(door.url("review"), {**seen, "message": "mine"})
    page = Page(answer)
    assert answer.status_code == 409 and made.versions.count() == 1
    assert "colleague" in page.text and "Renamed Last to Theirs" in page.text
    assert ("changed", "last") in [each[:2] for each in changes(answer)] and "mine" in page.text
    assert door.publish().status_code == 303 and made.versions.count() == 2


def test_a_version_that_was_published_meanwhile_is_a_conflict(door, editor, made, owner):
    editor.do("rename", key="look", name="Mine")
    seen = door.form()
    workflows.publish(made, author=owner)
    answer = door.client.post(door.url("review"), seen)
    assert answer.status_code == 409 and "Published v2" in Page(answer).text


@pytest.mark.extended
def test_nonsense_as_revision_publishes_nothing(door, editor, made):
    editor.do("rename", key="look", name="Mine")
    for fields in ({}, {"rev": "x", "version": "1"}, {"rev": "9" * 30, "version": "-1"}):
        assert door.client.post(door.url("review"), fields).status_code == 409
    assert made.versions.count() == 1


@pytest.mark.extended
def test_errors_keep_it_from_being_published(door, editor, made):
    editor.do("edit", key="tell", unset=["inputs.message"])
    page = Page(door.review())
    assert "publish" not in page.ids and "Fix the errors before you publish." in page.text
    assert door.url("builder") + "?step=route/tell&complain" in [a.get("href") for _, a in page.tags]
    made.refresh_from_db()
    answer = door.client.post(door.url("review"), {"rev": made.rev, "version": 1})
    assert answer.status_code == 422 and "message" in Page(answer).text and made.versions.count() == 1


def test_who_may_not_publish_is_told_why(made, editor, sign_in, colleague):
    assign_perm("view_workflow", colleague, made)
    editor.do("rename", key="look", name="Mine")
    door = Door(sign_in(colleague), made)
    page = Page(door.review())
    assert "needs the Publish permission" in page.text and "publish" not in page.ids
    assert "Ask owner to publish it." in page.text and "Review Triage" in page.text
    assign_perm("change_workflow", colleague, made)
    for url in (door.url("builder"), reverse("admin:automate_core_workflow_change", args=[made.pk])):
        offered = Page(door.client.get(url)).text
        assert "Review and publish" not in offered and "Review" in offered, url
    assign_perm("publish_workflow", colleague, made)
    assert "The workflow runs as owner. Only owner or a superuser can publish it." in Page(door.review()).text
    assert door.client.post(door.url("review"), {"rev": 0, "version": 1}).status_code == 403


def test_a_first_version(workflow, sign_in, owner):
    door = Door(sign_in(owner), workflow(TRIAGE, publish=False))
    page = Page(door.review())
    assert "This is the first version." in page.text and page.ids["publish"]
    assert door.publish().status_code == 303
    assert Workflow.objects.get().published.number == 1


# --- what it touches --------------------------------------------------------------------------------------------------

REACHING = """
name: Reaching
slug: reaching
triggers: [{endpoint: github}, {kind: model, model: auth.User}]
steps:
  - {key: call, action: http.request, connection: erp, inputs: {url: 'https://api.example.com/x'}}
  - {key: any, action: http.request, inputs: {url: 'https://{{ event.payload.host }}/x'}}
  - {key: path, action: http.request, connection: erp, inputs: {url: '/orders/{{ event.payload.id }}'}}
  - {key: find, action: models.find, inputs: {model: auth.Group}}
  - {key: off, disabled: true, action: http.request, inputs: {url: 'https://off.example.com/'}}
  - {kind: workflow, key: sub, workflow: other}
"""


def test_what_it_touches(workflow, sign_in, owner, colleague, settings):
    settings.AUTOMATE_MODELS = {"auth.Group": {"read": ["name"]}}
    Connection.objects.create(
        name="The ERP", slug="erp", connector="http", owner=owner, allowed_hosts=["erp.example.com"]
    )
    made = Workflow.objects.create(name="Other", slug="other", owner=owner, run_as=owner)
    from automate_authoring.publishing import dependencies

    definition = yaml_files.read_workflow(REACHING)
    found = dependencies.find_dependencies(definition, owner)
    assert found.connections == [("The ERP", "http")] and found.workflows == ["other"]
    assert set(found.hosts) == {"erp.example.com", "api.example.com", dependencies.AT_RUN_TIME}
    assert found.hosts[dependencies.AT_RUN_TIME] == ["any"], "what follows a connection's address stays with it"
    assert found.models == {"auth.User": ["trigger"], "auth.Group": ["find"]}
    hidden = dependencies.find_dependencies(definition, colleague)
    assert hidden.connections == [("erp", "")] and "erp.example.com" not in hidden.hosts
    assert made.pk


def test_the_page_names_what_it_touches(workflow, sign_in, owner):
    made = workflow(
        "name: W\nslug: w\ntriggers: [{endpoint: github}]\nsteps: [{key: a, action: http.request, inputs: {url: 'https://api.example.com/'}}]"
    )
    page = Page(Door(sign_in(owner), made).review())
    assert "api.example.com" in page.text and "Runs as" in page.text and "no permission limits" not in page.text
    type(owner).objects.filter(pk=owner.pk).update(is_superuser=True)
    assert "no permission limits what the steps may read" in Page(Door(sign_in(owner), made).review()).text


# --- shadow -----------------------------------------------------------------------------------------------------------

FILTERED = TRIAGE.replace(
    "{endpoint: github, event: issues}",
    "{endpoint: github, event: issues, filter: {'==': [{var: event.payload.title}, bug]}}",
)


@pytest.mark.extended
def test_the_latest_events_are_tried_on_both(workflow, deliver, sign_in, owner):
    made = workflow(FILTERED)
    for title in ("bug", "bug", "question", "other"):
        deliver({"title": title})
    deliver({"title": "bug"}, event="push")
    editor = Editor(made, owner)
    [trigger] = editor.draft.triggers
    editor.do(
        "edit_trigger",
        key=trigger,
        set={"filter": {"in": [{"var": "event.payload.title"}, ["question", "other", "bug"]]}},
    )
    door = Door(sign_in(owner), made)
    page = Page(door.review())
    assert page.all(data_now="4") and page.all(data_before="2")
    assert "4 of 5 recent events" in page.text and page.text.count("webhook:github") == 2
    assert not ExecutionRun.objects.exists()
    editor.do("edit_trigger", key=trigger, set={"filter": {"nonsense": 1}})
    page = Page(door.review())
    assert page.status == 200 and page.all(data_now="0") and "nonsense" in page.text


def test_at_most_fifty_of_the_newest(workflow, sign_in, owner, monkeypatch):
    made = workflow(TRIAGE)
    Event.objects.bulk_create(of_endpoint("github", type="issues", payload={}, trace_id=f"{n:032x}") for n in range(60))
    came_to("other", type="issues", payload={}, trace_id="f" * 32)
    door = Door(sign_in(owner), made)
    assert "of 50 recent events" in Page(door.review()).text
    monkeypatch.setattr(shadow_evaluation, "LOOK_BACK", 11)
    assert "of 10 recent events" in Page(door.review()).text


@pytest.mark.extended
def test_events_that_one_may_not_read_are_not_tried(workflow, deliver, sign_in, colleague, endpoint):
    made = workflow(TRIAGE)
    deliver({"title": "bug"})
    assign_perm("view_workflow", colleague, made)
    door = Door(sign_in(colleague), made)
    assert "You need the View payloads permission" in Page(door.review()).text
    assign_perm("view_payload_workflow", colleague, made)
    page = Page(door.review())
    assert "Not included, because you cannot view their payloads: webhook:github" in page.text
    assert not page.all(data_before="1"), "a filter would tell what is in them"
    assign_perm("view_webhookendpoint", colleague, endpoint)
    assign_perm("view_payload_webhookendpoint", colleague, endpoint)
    assert Page(door.review()).all(data_before="1")


ROUTED = """
name: Routed
slug: routed
vars: {limit: 10, other: 1}
triggers: [{endpoint: github, event: issues}]
steps:
  - {key: look, action: http.request, inputs: {url: 'https://shop.example/{{ event.payload.n }}'}, save_as: other}
  - kind: branch
    key: size
    name: Size
    arms:
      - key: big
        when: {'>': [{var: event.payload.n}, {var: vars.limit}]}
        steps:
          - kind: branch
            key: inner
            arms: [{key: odd, when: {'==': [{var: event.payload.odd}, true]}}]
      - {key: none_at_all, name: None, when: {'==': [{var: event.payload.n}, 0]}, steps: [{kind: stop, key: out}]}
  - kind: branch
    key: later
    match: all
    arms:
      - {key: five, when: {'>=': [{var: event.payload.n}, 5]}}
      - {key: said, when: {'==': [{var: vars.other}, 1]}}
  - kind: branch
    key: known
    arms: [{key: found, when: {'==': [{var: steps.look.output.n}, 1]}}, {key: soon, when: {'>': [{now: 1d}, '2999-12-24']}}]
"""


def routes_shown(response):
    """Of each branch the words about its routes, and how many cannot be told."""
    blocks = re.findall(r'data-branch="(\w+)">(.*?)</div>', response.content.decode(), re.DOTALL)
    return {key: " ".join(re.sub(r"<[^>]*>", " ", words).split()).replace(" ,", ",") for key, words in blocks}


@pytest.mark.extended
def test_the_latest_events_say_which_take_another_branch(workflow, deliver, sign_in, owner):
    made = workflow(ROUTED)
    for n in (0, 1, 5, 7, 11, 12):
        deliver({"n": n, "odd": bool(n % 2)})
    door, editor = Door(sign_in(owner), made), Editor(made, owner)
    assert routes_shown(door.review()) == {
        "size": "Size Big 2, None 1, Otherwise 3 .",
        "inner": "Inner Odd 1, Otherwise 1 .",
        "later": "Later Five 0, Said 0, Otherwise 0 . 5 events not predicted: the route depends on vars.other.",
        "known": "Known Found 0, Soon 0, Otherwise 0 . 5 events not predicted: the route depends on what Look returns.",
    }
    editor.do("edit_settings", set={"vars": {"limit": 6, "other": 1}})
    editor.do("edit_condition", key="known", arm="found", when={"==": [{"var": "event.payload.n"}, 1]})
    answer = door.review()
    found = routes_shown(answer)
    assert found["size"].startswith(
        "Size Big 3 (published: 2), None 1, Otherwise 2 (published: 3) . 1 event takes another route"
    )
    assert found["inner"].startswith("Inner Odd 2 (published: 1), Otherwise 1")
    assert found["known"].endswith("4 events not predicted: the route depends on the current time.")
    page = Page(answer)
    assert page.all(data_rerouted="1") and page.all(data_now="6") and page.all(data_before="6")
    assert "Size: Big instead of Otherwise" in page.text
    assert not ExecutionRun.objects.exists()


COMPUTED = """
name: Computed
slug: computed
vars: {limit: 10, kind: none}
triggers: [{endpoint: github, event: issues}]
steps:
  - key: paid
    action: data.filter
    inputs: {items: '{{ event.payload.lines }}', where: [{field: paid, op: "==", value: true}]}
  - {key: total, action: data.aggregate, inputs: {items: '{{ steps.paid.output["items"] }}', measures: {all: sum n}}}
  - {key: set, action: data.set, inputs: {big: '{{ steps.total.output["items"][0].all > vars.limit }}'}, save_as: kind}
  - kind: branch
    key: size
    arms:
      - key: big
        when: {'==': [{var: vars.kind.big}, true]}
        steps:
          - {key: call, action: http.request, inputs: {url: 'https://shop.example'}, save_as: kind}
  - {key: after, action: data.set, inputs: {n: '{{ vars.kind }}'}}
  - kind: branch
    key: later
    arms: [{key: small, when: {'==': [{var: steps.after.output.n.big}, false]}}]
  - {key: when, action: data.set, inputs: {at: '{{ now() }}'}}
  - {kind: branch, key: timed, arms: [{key: set, when: {'==': [{var: steps.when.output.at}, '']}}]}
  - kind: for_each
    key: lines
    items: '{{ event.payload.lines }}'
    steps: [{key: line, action: data.set, inputs: {n: '{{ event.payload.n }}'}, save_as: limit}]
  - {kind: branch, key: last, arms: [{key: ten, when: {'==': [{var: vars.limit}, 10]}}]}
"""


def test_routes_behind_steps_that_only_compute_are_predicted(workflow, deliver, sign_in, owner):
    made = workflow(COMPUTED)
    for n in (1, 6, 12):
        deliver({"n": n, "lines": [{"n": n, "paid": True}, {"n": 6, "paid": True}, {"n": 90, "paid": False}]})
    deliver({"n": 1, "lines": "no list"})
    found = routes_shown(Door(sign_in(owner), made).review())
    assert found["size"].startswith("Size Big 2, Otherwise 1 . 1 event not predicted: the route depends on vars.kind")
    assert found["later"].startswith(
        "Later Small 1, Otherwise 0 . 3 events not predicted: the route depends on what After"
    )
    assert found["timed"].endswith("4 events not predicted: the route depends on what When returns.")
    assert found["last"].endswith("4 events not predicted: the route depends on vars.limit.")
    assert not ExecutionRun.objects.exists()


# --- versions ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def three(door, editor, made):
    """Versions 1 to 3, which name the first step Look, Two and Three."""
    for name in ("Two", "Three"):
        editor.do("rename", key="look", name=name)
        assert door.publish(message=f"Now {name}").status_code == 303
    made.refresh_from_db()
    return made


@pytest.mark.extended
def test_the_list_of_versions(door, three):
    page = Page(door.client.get(door.url("versions")))
    assert [name for name in page.ids if re.fullmatch(r"v\d", name)] == ["v3", "v2", "v1"]
    assert "Now Two" in page.text and page.text.count("Published") >= 1
    assert "v1" in Page(door.client.get(door.url("versions"), {"before": "2"})).ids
    assert "v2" not in Page(door.client.get(door.url("versions"), {"before": "2"})).ids


@pytest.mark.extended
def test_any_two_are_compared(door, three, editor):
    [(kind, key, words)] = changes(door.compare(**{"from": "1", "to": "3"}))
    assert (kind, key) == ("changed", "look") and "Look Three" in words
    assert "No differences." in Page(door.compare()).text
    editor.do("rename", key="last", name="Draft only")
    assert changes(door.compare(**{"from": "2", "to": "draft"}))[1][1] == "last"
    for wrong in ("9", "x", "1e9", "9" * 30, "²"):
        assert door.compare(**{"from": wrong}).status_code == 404


@pytest.mark.extended
def test_going_back_takes_two_clicks_and_leaves_the_draft(door, three, editor):
    editor.do("rename", key="last", name="Work in progress")
    page = Page(door.client.get(door.url("versions")))
    [to_one] = [a["href"] for tag, a in page.tags if tag == "a" and a.get("aria-label") == "Publish v1 again"]
    shown = Page(door.client.get(to_one))
    assert shown.ids["publish"]
    answer = door.client.post(door.url("version_publish", 1), {"version": "3"})
    assert answer.status_code == 303
    three.refresh_from_db()
    assert (three.published.number, three.published.message) == (4, "Published v1 again")
    assert three.published.definition == three.versions.get(number=1).definition
    assert three.active_triggers.filter(version=three.published).exists()
    assert editor.draft.steps["last"].name == "Work in progress" and three.has_unpublished_changes
    assert {key for _, key, _ in changes(door.review())} == {"look", "last"}


@pytest.mark.extended
def test_going_back_when_somebody_published_meanwhile(door, three, editor, owner):
    editor.do("rename", key="last", name="Newer")
    workflows.publish(three, author=owner)
    answer = door.client.post(door.url("version_publish", 1), {"version": "3"})
    assert answer.status_code == 409 and "Published v4" in Page(answer).text


@pytest.mark.extended
def test_a_version_that_names_what_is_gone_cannot_be_published_again(door, made, editor, owner, admin):
    gone = Connection.objects.create(name="Gone", slug="gone", connector="http", owner=owner)
    editor.do("edit", key="tell", set={"connection": "gone"})
    door.publish()
    editor.do("edit", key="tell", unset=["connection"])
    door.publish()
    gone.delete()
    answer = door.client.post(door.url("version_publish", 2), {"version": "3"})
    assert answer.status_code == 422 and "There is no connection" in Page(answer).text


@pytest.mark.extended
def test_restoring_as_draft_is_an_edit_that_can_be_undone(door, three, editor):
    rev = Workflow.objects.get().rev
    answer = door.client.post(door.url("version_restore", 1), {"rev": rev})
    assert answer.status_code == 303 and answer["Location"] == door.url("builder")
    assert editor.draft.steps["look"].name == "Look"
    assert Workflow.objects.get().published.number == 3
    assert editor.state.undo_stack.undo.words == "Restored v1"
    editor.undo()
    assert editor.draft.steps["look"].name == "Three"
    assert door.client.post(door.url("version_restore", 1), {"rev": rev}).status_code == 409
    assert door.client.post(door.url("version_restore", 9), {"rev": Workflow.objects.get().rev}).status_code == 404


def test_hostile_names_are_inert(door, editor):
    editor.do("rename", key="look", name="<script>x</script>\u202e")
    content = door.review().content.decode()
    assert "<script>x" not in content and "&lt;script&gt;x" in content
    said = content.split('class="da-changes"')[1].split("</section>")[0]
    assert "\u202e" not in said and "\\u202e" in said


def test_too_long_to_compare():
    assert differences.side_by_side("a\n" * 15_000, "b\n" * 15_000) is None


@pytest.mark.extended
def test_the_review_of_a_large_draft(sign_in, owner, endpoint, django_assert_max_num_queries):
    made = workflows.save_definition(parse(large_workflow()), owner=owner)
    workflows.publish(made, author=owner)
    editor, door = Editor(made, owner), Door(sign_in(owner), made)
    for number in range(3):
        editor.do("rename", key=f"set_{number}", name=f"Set {number}")
    door.review()
    with at_most(500), django_assert_max_num_queries(32):  # both texts are written for it
        answer = door.review()
    assert len(changes(answer)) == 3 and len(answer.content) < 66_000
