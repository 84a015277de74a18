"""What the palette offers at a place: by group, filled in where it is about the site's models, and what is likely first."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import Permission

from automate_connectors.models import Connection
from automate_core.models import Step
from tests.support.builder import Builder
from tests.support.editors import Editor
from tests.support.pages import Page
from tests.support.workflows import TRIAGE

pytestmark = pytest.mark.django_db


@pytest.fixture
def builder(workflow, sign_in, owner):
    return Builder(sign_in(owner), workflow(TRIAGE))


def offered(builder, **place):
    """The offers by group, each as the fields of the command that adds it."""
    page = Page(builder.client.get(builder.url("builder_palette"), place))
    groups, title = {}, ""
    for _, attributes in page.tags:
        if "da-offers" in attributes.get("class", "").split():
            title = attributes["aria-label"]
        elif "data-name" in attributes:
            found = json.loads(attributes["data-insert-now"])
            groups.setdefault(title, {})[attributes["data-name"]] = found
    return groups


def test_groups_in_order_each_offer_with_what_it_does(builder):
    groups = offered(builder, index="0")
    assert list(groups)[:5] == ["Suggested", "Logic", "People", "AI", "Triggers"]
    assert groups["Logic"]["for each"] == {"do": "add", "kind": "for_each", "action": ""}
    assert "data: write to log" in groups["Data"] and len(groups["Suggested"]) <= 6


def test_the_actions_are_browsed_by_app(builder):
    """A group for each connector, by name, with nothing but its own actions."""
    groups = offered(builder, index="0")
    apps = list(groups)[5:]
    assert len(apps) > 40 and apps == sorted(apps, key=str.casefold)
    owners = {app: {each["action"].partition(".")[0] for each in groups[app].values()} for app in apps}
    assert {app: codes for app, codes in owners.items() if len(codes) != 1} == {} and owners["GitHub"] == {"github"}


@pytest.mark.extended
def test_models_of_the_site_are_offered_filled_in(builder, owner, settings):
    settings.AUTOMATE_MODELS = {
        "auth.Group": {"read": ["name"], "write": ["name"]},
        "auth.User": {"read": ["username"]},
    }
    assert "Your data" not in offered(builder), "whoever it runs as may not see them"
    owner.user_permissions.set(Permission.objects.filter(codename__in=["view_group", "change_group", "view_user"]))
    offers = offered(builder)["Your data"]
    assert set(offers) == {"find groups", "update groups", "find users"}
    request = offers["find groups"]
    assert builder.do(**request, index="0").status_code == 200
    step = Step.objects.get(action="models.find")
    assert (step.inputs, step.name) == ({"model": "auth.group"}, "Find groups")
    assert "find groups" in offered(builder)["Recently used"]
    assert next(iter(offered(builder, index="1")["Suggested"])) == "for each", "a list comes before"
    assert builder.do("add", kind="stop", inputs='{"a": 1}').status_code == 422


@pytest.mark.extended
def test_what_a_person_used_last_comes_first_wherever_they_used_it(builder, sign_in, colleague, workflow, owner):
    for action in ("data.log", "data.set", "data.log"):
        builder.do("add", kind="action", action=action)
    assert list(offered(builder)["Recently used"]) == ["data: write to log", "data: set values"]
    other = Builder(sign_in(owner), workflow("name: B\nslug: b\nsteps: [{key: a, action: data.set}]\n"))
    assert next(iter(offered(other)["Recently used"])) == "data: write to log"
    workflow_of_colleague = other.workflow
    workflow_of_colleague.owner = colleague
    workflow_of_colleague.save()
    assert "Recently used" not in offered(Builder(sign_in(colleague), workflow_of_colleague)), (
        "others' choices are theirs"
    )


@pytest.mark.extended
def test_what_fits_goes_by_what_stands_before(builder):
    assert "data: set values" in offered(builder, parent="route", slot="question", index="0")["Suggested"]
    after_log = offered(builder, parent="route", slot="bug", index="1")["Suggested"]
    assert next(iter(after_log)) == "branch" and "data: set values" in after_log, "its connector's other action"
    assert offered(builder, parent="nope", slot="nope", index="x")["Logic"], "a place that is gone harms nothing"


def test_the_palette_costs_few_queries(builder, django_assert_max_num_queries):
    builder.client.get(builder.url("builder_palette"))
    with django_assert_max_num_queries(9):
        builder.client.get(builder.url("builder_palette"), {"parent": "route", "slot": "bug", "index": "1"})


# --- cards ------------------------------------------------------------------------------------------------------------


@pytest.mark.extended
def test_a_card_says_with_what_and_what_else_holds(builder, owner, stranger):
    Connection.objects.create(name="Our shop", slug="shop", connector="http", owner=owner)
    builder.do("add", kind="action", action="http.request", index="0")
    editor = Editor(builder.workflow, owner)
    policy = {"connection": "shop", "retry": {"attempts": 3}, "timeout": 30}
    editor.do(
        "edit",
        key="request",
        set={**policy, "inputs.method": "POST", "inputs.url": "https://shop.example/orders/{{ event.payload.number }}"},
    )
    builder.do("add", kind="approval", index="1")
    editor.do("edit", key="approval", set={"assignees": ["anna", "ben"], "timeout": "2d"})
    cards = builder.open().ids
    assert (
        cards["card-request"]["aria-description"]
        == "POST shop.example/orders/number. Our shop · 3 attempts · timeout 30 s per attempt"
    )
    assert cards["card-approval"]["aria-description"] == "by anna, ben. waits up to 2 days"
    assert cards["card-route-each"]["aria-description"] == "of labels"
    assert cards["card-route-each"]["aria-label"] == "Each, 6 · For each"
    Connection.objects.update(owner=stranger)
    page = builder.open()
    assert "shop · 3 attempts" in page.ids["card-request"]["aria-description"], "the name of what is not theirs to use"
    assert "Our shop" not in page.text


@pytest.mark.extended
def test_a_move_is_told_with_its_place(builder):
    answer = builder.do("move", key="last", parent="route", slot="otherwise", index="0")
    assert "Moved Last to 1 of 2, in route Otherwise" in Page(answer).text
    assert (
        "Moved Last to 2 of 2, in Careful" in Page(builder.do("move", key="last", parent="careful", slot="steps")).text
    )
    assert "Moved Last to 1 of 5" in Page(builder.do("move", key="last", index="0")).text
    into_itself = builder.do("move", key="route", parent="route", slot="bug", index="0")
    assert into_itself.status_code == 422 and "cannot be moved into itself" in Page(into_itself).text
    arms = [each["data-inside"] for _, each in builder.open().tags if "data-inside" in each]
    assert arms[:2] == ["in route Bug", "in Each"] and "in On error of Careful" in arms and "in track left" not in arms


def test_a_wrap_is_called_as_its_step(builder):
    assert "Wrapped Last in For each" in Page(builder.do("wrap", key="last", kind="for_each")).text
    menus = [each.get("data-menu") for _, each in builder.open("last").tags if each.get("role") == "menuitem"]
    assert {"rename", "duplicate", "disable", "copy", "wrap", "pick", "up", "down", "unwrap", "delete"} <= set(menus)
    assert "Wrap in For each" in builder.page.text and "Loop" not in builder.page.text


def test_a_wait_for_a_callback_begins_as_one(builder):
    builder.do(**offered(builder)["Logic"]["wait for a callback"])
    settings = builder.workflow.steps.get(name="Wait for a callback").settings
    assert (settings["callback"], settings["timeout"], settings.get("duration")) == (True, "1d", None)
    assert builder.do("add", kind="stop", preset="callback").status_code == 422


def test_no_trigger_is_offered_inside_a_step(builder):
    groups = offered(builder, parent="route", slot="bug")
    assert "Triggers" not in groups and "Logic" in groups


def test_forms_are_found_among_the_steps(builder):
    """A form page as a step of its own, and the hosted form as what it is: a trigger."""
    groups = offered(builder)
    trigger, page = groups["Triggers"]["trigger: form"], groups["People"]["form page"]
    assert trigger == {"do": "add_trigger", "kind": "form"} and page["preset"] == "form_page"
    builder.do(**page)
    step = builder.workflow.steps.get(name="Form page")
    assert step.settings["timeout"] == "7d" and [each["name"] for each in step.settings["form"]] == ["answer"]
    assert builder.panel(step.key).ids["field-timeout"]["value"] == "7d"
    assert builder.do("add", kind="stop", preset="form_page").status_code == 422
    builder.do(**trigger)
    assert builder.workflow.triggers.filter(kind="form").exists()
