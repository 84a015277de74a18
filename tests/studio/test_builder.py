"""The builder over HTTP: what it shows, that each edit is one POST, and what others' edits do to it."""

from __future__ import annotations

import json
import re

import pytest
from django.urls import reverse
from guardian.shortcuts import assign_perm

from automate_authoring import workflows
from automate_connectors.models import Connection
from automate_core.definition.parsing import parse
from automate_core.models import DraftCommand, Step
from tests.support.builder import Builder
from tests.support.costs import at_most
from tests.support.large_workflows import large_workflow
from tests.support.matrix import representatives
from tests.support.pages import Page
from tests.support.workflows import TRIAGE

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def made(workflow):
    return workflow(TRIAGE)


@pytest.fixture
def builder(made, sign_in, owner):
    return Builder(sign_in(owner), made)


def names(page, tag):
    return [attributes.get("name") for found, attributes in page.tags if found == tag and attributes.get("name")]


def test_the_page_shows_the_tree_with_places_to_insert_at(builder):
    page = builder.open("route/tell")
    assert (
        page.ids["card-route-tell"]["aria-selected"] == "true" and page.ids["card-trigger"]["data-path"] == "~trigger"
    )
    places = [
        attributes["data-insert"] for tag, attributes in page.tags if tag == "button" and "data-insert" in attributes
    ]
    assert "parent=&slot=&index=0" in places and "parent=route&slot=question&index=0" in places
    assert "parent=each&slot=steps&index=1" in places and "parent=careful&slot=always&index=0" in places
    assert {"inputs.message", "inputs.level", "notes", "retry.attempts", "on_error.then"} <= {
        *names(page, "input"),
        *names(page, "textarea"),
        *names(page, "select"),
    }
    assert page.ids["undo"].get("disabled") == "" and "No problems" in page.text
    wrapped = {name for name, found in page.ids.items() if "around" in found.get("class", "").split()}
    assert wrapped == {"arms-route-each", "arms-careful"}, "loops and try go round their bodies"


@pytest.mark.matrix
@pytest.mark.parametrize(
    "path", ["look", "route", "route/each", "careful", "both", "route/refuse", "~trigger", "~workflow"]
)
def test_every_panel_draws(builder, path):
    page = builder.panel(path)
    assert page.status == 200 and page.all(data_inspected=path)


def test_panels_of_what_is_not_there(builder):
    for path in ("nope", "route/nope", "~nope", "a\0b"):
        assert builder.client.get(builder.url("builder_step", path)).status_code == 404


@pytest.mark.parametrize("kind", representatives((kind for kind in Step.Kind.values if kind != "action"), every=4))
def test_every_kind_is_added_and_its_panel_draws(builder, kind):
    assert builder.do("add", kind=kind, parent="", slot="", index="0").status_code == 200
    builder.do("undo", last=builder.state()["data-last"])
    answer = builder.do("add", kind=kind, parent="careful", slot="always", index="0")
    assert answer.status_code == 200
    step = Step.objects.exclude(key__in=TRIAGE).get(parent__key="careful", slot="always")
    assert f'id="card-careful-{step.key}"' in answer.content.decode()
    assert builder.panel(f"careful/{step.key}").status == 200


def test_an_answer_holds_all_that_a_command_may_have_changed(builder):
    page = Page(builder.do("add", kind="action", action="data.log", index="1"))
    assert {"flow", "draft-state", "problems", "inspector", "toast", "card-log"} <= set(page.ids)
    assert page.ids["draft-state"]["data-selected"] == "log" and "Added Write to log" in page.text
    assert page.ids["card-log"]["aria-label"].endswith("Message is required.")
    assert "1 to fill in" in page.text and "problem" not in page.text


def test_a_new_step_is_asked_to_be_filled_in_before_it_is_complained_about(builder):
    page = Page(builder.do("add", kind="action", action="data.log", index="1"))
    [why] = page.all(data_missing="error")
    assert why["id"] == "field-inputs-message-why" and "error" not in why["class"].split() and "role" not in why
    assert not page.all(role="alert") and "Message required" in page.text
    review = Page(builder.client.get(reverse("studio:review", args=[builder.workflow.pk])))
    assert "Error: Write to log" in review.text and "Required: " not in review.text


def test_saving_a_panel_stores_what_differs(builder):
    answer = builder.save("look", **{"inputs.title": "Hello {{ event.payload.title }}", "notes": "n", "name": "Look"})
    assert answer.status_code == 200
    step = Step.objects.get(key="look")
    assert (step.inputs, step.notes) == ({"title": "Hello {{ event.payload.title }}"}, "n")
    page = Page(answer)
    assert page.ids["rev-look"]["value"] == str(step.rev) and "card-look" in page.ids and "flow" not in page.ids
    assert "field-notes" not in page.ids, "what somebody is typing in is left alone"
    assert DraftCommand.objects.get().words == "Changed title, notes of Look"
    assert builder.save("look", notes="n").status_code == 200 and DraftCommand.objects.count() == 1


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("path", "fields", "column", "value"),
    [
        (
            "route/tell",
            {"inputs.level": "error"},
            "inputs",
            {"message": "{{ steps.look.output.title }}", "level": "error"},
        ),
        (
            "route/tell",
            {"retry.attempts": "3", "timeout": "2.5"},
            "policy",
            {"retry": {"attempts": 3}, "timeout": 2.5},
        ),
        ("route/tell", {"at_most_once": "on"}, "policy", {"at_most_once": True}),
        ("both", {"limit": "3"}, "settings", 3),
        ("both", {"limit": "many"}, "settings", "many"),
        ("route/each", {"items": '["a"]'}, "settings", ["a"]),
        ("look", {"save_as": "kept"}, "settings", "kept"),
        ("look", {"inputs.title": ""}, "inputs", {"title": ""}),
    ],
)
def test_values_are_typed(builder, path, fields, column, value):
    assert builder.save(path, **fields).status_code == 200
    stored = getattr(Step.objects.get(key=path.rpartition("/")[2]), column)
    assert stored == value if column != "settings" else stored[next(iter(fields))] == value


def test_an_error_stands_at_its_field(builder):
    page = Page(builder.save("look", **{"inputs.title": "{{ steps.nope.output }}"}))
    assert page.ids["field-inputs-title-why"]["role"] == "alert" and "steps.nope.output" in page.text
    assert page.ids["card-look"]["aria-label"].endswith("no step comes before this one.")


@pytest.mark.extended
def test_every_problem_names_its_field_and_stands_there(builder, endpoint):
    for kind in ("event", "schedule", "run", "model", "webhook"):
        builder.do("add_trigger", kind=kind)
    for kind in ("wait", "workflow", "for_each", "repeat", "branch", "approval"):
        assert builder.do("add", kind=kind, index="0").status_code == 200
    builder.save("approval", assignees="nobody")
    builder.do("add", kind="action", action="http.request", index="0")
    builder.do("add_arm", key="route")
    endpoint.scheme = "unsigned"
    endpoint.save()
    page = builder.open()
    found = [attributes for tag, attributes in page.tags if tag == "a" and "data-field" in attributes]
    assert len(found) >= 13
    for line in found:
        panel, at = builder.panel(line["data-problem"]), line["data-field"]
        why = panel.ids.get(f"{at}-why", {})
        said = f"{why.get('class', '')} {'missing' if why.get('data-missing') else ''}"
        is_hollow = not at and line["data-problem"] in {"for_each", "repeat"}  # it is mended in the tree
        assert is_hollow or (at in panel.ids and {"error", "warn", "missing"} & {*said.split()}), line
    assert re.search(r"Trigger Event\s*\u203a\s*,\s*Event\s*:\s*is required", page.text)
    warned = builder.panel("approval").ids["field-assignees-why"]
    assert "warn" in warned["class"] and "error" not in warned["class"] and warned["role"] == "status"
    triggers = builder.panel("~trigger")
    assert triggers.ids["t-event-event-why"]["data-missing"] == "error" and "Event is required." in triggers.text
    assert "warn" in triggers.ids["t-webhook-endpoint-why"]["class"], "not signed, which is no error"


def test_what_cannot_be_read_is_not_saved_and_says_so(builder):
    answer = builder.save("look", **{"on_error.then": "value", "on_error.value": '{"a": 1,}', "notes": "kept"})
    page = Page(answer)
    assert answer.status_code == 422 and "Not saved: Value: line 1: " in page.text and "comma" in page.text
    assert Step.objects.get(key="look").notes == "kept", "what could be read is"


@pytest.mark.extended
def test_a_connection_is_one_of_those_they_may_use(builder, owner, stranger):
    Connection.objects.create(name="Mine", slug="mine", connector="slack", owner=owner)
    Connection.objects.create(name="Theirs", slug="theirs", connector="slack", owner=stranger)
    builder.do("add", kind="action", action="slack.find_user", index="0")
    page = builder.panel("find_user")
    assert "Mine" in page.text and "Theirs" not in page.text
    assert builder.save("find_user", connection="mine").status_code == 200
    answer = builder.save("find_user", connection="theirs")
    assert answer.status_code == 422 and "no connection &#x27;theirs&#x27; that you can use" in answer.content.decode()
    assert Step.objects.get(key="find_user").connection == "mine"
    assert "field-connection" not in builder.panel("look").ids, "what takes no connection asks for none"


@pytest.mark.extended
def test_triggers_and_the_workflow_have_forms_too(builder, made):
    assert builder.save("~trigger", trigger="webhook", event="push").status_code == 200
    assert builder.do("add_trigger", kind="schedule").status_code == 200
    assert "Choose when the workflow starts." in builder.panel("~trigger").text
    assert builder.save("~trigger", trigger="schedule", repeats="cron", cron="0 8 * * 1").status_code == 200
    assert (
        builder.save(
            "~workflow", name="New name", tags="a\nb", vars='{"n": 1}', **{"concurrency.limit": "2"}
        ).status_code
        == 200
    )
    made.refresh_from_db()
    definition = workflows.load_definition(made)
    assert (definition.name, definition.tags, definition.vars) == ("New name", ["a", "b"], {"n": 1})
    assert [trigger.key for trigger in definition.triggers] == ["webhook", "schedule"]
    assert definition.triggers[0].event == "push" and definition.triggers[1].cron == "0 8 * * 1"
    assert builder.save("~workflow", run_as="root").status_code == 422


@pytest.mark.extended
def test_routes_by_form(builder):
    rev = builder.panel("route").ids["rev-route"]["value"]
    rule = {"==": [{"var": "event.type"}, "x"]}
    assert builder.do("edit_condition", key="route", arm="bug", rev=rev, when=json.dumps(rule)).status_code == 200
    assert Step.objects.get(key="route").settings["arms"][0]["when"] == rule
    assert builder.do("edit_condition", key="route", arm="bug", rev=rev, when="{nope").status_code == 422
    assert builder.do("move_arm", key="route", arm="bug", index="1").status_code == 200
    assert [arm["key"] for arm in Step.objects.get(key="route").settings["arms"]] == ["question", "bug"]


@pytest.mark.extended
def test_undo_and_redo_by_button(builder):
    builder.do("delete", key="look")
    state = builder.state()
    assert builder.page.ids["undo"]["title"] == "Undo: Deleted Look, by owner"
    assert builder.do("undo", last=state["data-last"]).status_code == 200 and Step.objects.filter(key="look").exists()
    assert builder.do("redo", last=builder.state()["data-last"]).status_code == 200
    assert not Step.objects.filter(key="look").exists()
    assert builder.do("undo", last="999").status_code == 409


@pytest.mark.extended
def test_copy_and_paste_between_workflows(builder, workflow):
    assert builder.client.post(builder.url("builder_copy"), {"key": "route"}).status_code == 200
    other = Builder(
        builder.client, workflow("name: O\nslug: o\ntriggers: []\nsteps: [{key: tell, kind: stop}]", publish=False)
    )
    assert "Paste" in Page(other.client.get(other.url("builder_palette"))).text
    assert other.do("paste").status_code == 200
    assert set(other.workflow.steps.filter(parent=None).values_list("key", flat=True)) == {"tell", "route"}
    assert builder.client.post(builder.url("builder_copy"), {"key": "nope"}).status_code == 422


def test_nothing_copied_is_nothing_to_paste(builder):
    assert builder.do("paste").status_code == 422


def test_the_palette_offers_what_is_installed(builder):
    page = Page(builder.client.get(builder.url("builder_palette"), {"parent": "route", "slot": "bug", "index": "1"}))
    offers = [
        json.loads(attributes["data-insert-now"]) for _, attributes in page.tags if "data-insert-now" in attributes
    ]
    assert {"do": "add", "kind": "action", "action": "http.request"} in offers
    assert {offer["kind"] for offer in offers if offer["do"] == "add" and not offer["action"]} == {
        kind for kind in Step.Kind.values if kind != "action"
    }
    for title in ("Logic", "People", "AI", "GitHub"):
        assert title in page.text


# --- others -----------------------------------------------------------------------------------------------------------


@pytest.mark.extended
def test_the_other_ones_edit_is_shown_and_one_may_go_on(builder, made, sign_in, colleague):
    assign_perm("change_workflow", colleague, made)
    assign_perm("view_workflow", colleague, made)
    rev = builder.panel("look").ids["rev-look"]["value"]
    Builder(sign_in(colleague), made).save("look", notes="theirs")
    answer = builder.save("look", rev=rev, notes="mine")
    page = Page(answer)
    assert answer.status_code == 409 and "colleague" in page.text and "Changed notes of Look" in page.text
    again = {attributes["name"]: attributes["value"] for tag, attributes in page.tags if tag == "input"}
    assert again["notes"] == "mine" and again["rev"] != rev
    assert Step.objects.get(key="look").notes == "theirs"
    assert builder.client.post(builder.url("builder_step", "look"), again).status_code == 200
    assert Step.objects.get(key="look").notes == "mine"


def test_two_tabs_of_one_person_conflict(builder):
    """However soon after one another: neither shows what the other stored."""
    rev = builder.panel("look").ids["rev-look"]["value"]

    def save(tab, notes):
        fields = {"rev": rev, "notes": notes}
        return builder.client.post(builder.url("builder_step", "look"), fields, headers={"X-Automate-Tab": tab})

    assert save("one", "first").status_code == 200
    assert save("one", "first, more").status_code == 200, "the tab that was loaded anew"
    answer = save("two", "second")
    assert answer.status_code == 409 and "in another tab. Your change here is not saved." in Page(answer).text
    assert Step.objects.get(key="look").notes == "first, more"


@pytest.mark.extended
def test_a_stale_tree_is_a_conflict_too(builder, made, sign_in, colleague):
    assign_perm("change_workflow", colleague, made)
    assign_perm("view_workflow", colleague, made)
    rev = builder.state()["data-rev"]
    Builder(sign_in(colleague), made).do("delete", key="last")
    answer = builder.do("move", key="look", index="2", rev=rev)
    assert answer.status_code == 409 and "Deleted Last" in answer.content.decode()
    again = {attributes["name"]: attributes["value"] for tag, attributes in Page(answer).tags if tag == "input"}
    assert builder.client.post(builder.url("builder_command"), again).status_code == 200


@pytest.mark.matrix
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"do": "explode"},
        {"do": "add"},
        {"do": "add", "kind": "stop", "parent": "nope", "slot": "steps"},
        {"do": "add", "kind": "stop", "index": "x"},
        {"do": "move", "key": "look", "parent": "route", "slot": "nope"},
        {"do": "delete", "key": "\0"},
        {"do": "undo", "last": "x" * 50},
        {"do": "rename", "key": "look", "name": "\0"},
        {"do": "edit_condition", "key": "route", "arm": "bug", "when": "[" * 10_000},
    ],
)
def test_requests_that_make_no_sense_are_answered(builder, fields):
    assert builder.client.post(
        builder.url("builder_command"), {"rev": builder.state()["data-rev"], **fields}
    ).status_code in {409, 422}
    assert DraftCommand.objects.count() == 0


HOSTILE = "</textarea><script>window.hacked=1</script>\u202e{{ 7*7 }}"


def test_hostile_values_are_inert(builder):
    builder.save("look", **{"inputs.title": HOSTILE, "name": HOSTILE, "notes": HOSTILE})
    builder.do("rename_arm", key="route", arm="bug", name=HOSTILE, rev=builder.panel("route").ids["rev-route"]["value"])
    for answer in (builder.client.get(builder.url(), {"step": path}) for path in ("look", "route")):
        assert "<script>window" not in answer.content.decode()


def test_a_faulty_draft_is_shown_everywhere(builder, made, sign_in, owner):
    builder.save("both", limit="many")
    client = sign_in(owner)
    page = reverse("admin:automate_core_workflow_change", args=[made.pk])
    assert client.get(page, {"show": "draft"}).status_code == 200 and builder.open().status == 200
    answer = client.get(reverse("studio:workflow_file", args=[made.pk]), {"show": "draft"})
    assert answer.status_code == 409 and "limit" in answer.content.decode()


# --- speed ------------------------------------------------------------------------------------------------------------


@pytest.mark.extended
def test_220_steps(sign_in, owner, django_assert_max_num_queries):
    made = workflows.save_definition(parse(large_workflow()), owner=owner)
    builder = Builder(sign_in(owner), made)
    builder.open()
    with at_most(150), django_assert_max_num_queries(30):  # thirty, where nothing else goes on
        page = builder.client.get(builder.url())
    with django_assert_max_num_queries(30):
        builder.client.get(builder.url("builder_step", "branch_0/set_0"))
    builder.save("branch_0/set_0", notes="x")
    with at_most(150), django_assert_max_num_queries(60):  # thirty-five, where nothing else goes on
        answer = builder.save("branch_0/set_0", notes="y")
    assert len(page.content) < 450_000 and len(answer.content) < 30_000


@pytest.mark.extended
def test_edits_of_the_tree_and_the_review_of_220_steps(sign_in, owner, django_assert_max_num_queries):
    builder = Builder(sign_in(owner), workflows.save_definition(parse(large_workflow()), owner=owner))
    rev = builder.state()["data-rev"]
    for do in ({"do": "move", "key": "branch_100", "index": "2"}, {"do": "add", "kind": "stop", "index": "0"}):
        with at_most(150), django_assert_max_num_queries(45):  # thirty, where nothing else goes on
            answer = builder.do(**do, rev=rev)
        assert answer.status_code == 200 and len(answer.content) < 350_000
        rev = Page(answer).ids["draft-state"]["data-rev"]
    small = builder.client.get(builder.url(), headers={"Accept-Encoding": "gzip"})
    assert small["Content-Encoding"] == "gzip" and len(small.content) < 40_000
    with at_most(100), django_assert_max_num_queries(30):
        review = builder.client.get(reverse("studio:review", args=[builder.workflow.pk]))
    assert review.status_code == 200


def test_a_trigger_that_is_not_finished_harms_no_other_page(builder):
    assert builder.do("add_trigger", kind="webhook").status_code == 200
    listed = Page(builder.client.get(reverse("admin:automate_core_workflow_changelist")))
    assert listed.status == 200 and builder.workflow.name in listed.text


def test_a_name_that_is_taken_back_is_the_old_one_in_the_bar(builder):
    assert builder.save("~workflow", name="Renamed").status_code == 200
    answer = builder.do("undo", last=builder.state()["data-last"]).content.decode()
    shown = answer.split('id="workflow-name"')[1].split(">")[1].split("<")[0]
    assert shown == "Triage"
