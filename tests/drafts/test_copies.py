"""Copies of workflows start nothing until their triggers are turned on, and can be told from what they are copies of."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command
from django.urls import reverse
from guardian.shortcuts import assign_perm

from automate_authoring import copies, workflows
from automate_authoring.definitions import yaml_files
from automate_authoring.publishing.readiness import publishing_warnings
from automate_connectors.models import Connection
from automate_core.models import ActiveTrigger, ExecutionRun, Schedule, Workflow
from automate_governance.models import AuditEntry
from tests.support.pages import Page

pytestmark = pytest.mark.django_db(transaction=True)

ORDERS = """
name: Orders
slug: orders
triggers:
  - {endpoint: github, event: issues}
  - {kind: schedule, key: nightly, cron: "0 3 * * *"}
  - {kind: form, key: form, slug: orders, inputs: [{name: who}]}
  - {kind: manual, key: manual}
steps:
  - {key: log, action: data.log, inputs: {message: hello}}
"""
OFF = ("webhook", "nightly", "form")


@pytest.fixture
def orders(workflow):
    return workflow(ORDERS)


def imported(client, text):
    answer = client.post(reverse("studio:workflow_import"), {"text": text}, follow=True)
    return Page(answer), Workflow.objects.latest("pk")


def off(made):
    return tuple(each.key for each in workflows.load_definition(made).triggers if each.disabled)


def test_an_import_under_a_taken_slug_starts_nothing(orders, sign_in, owner, deliver, drain):
    page, made = imported(sign_in(owner), ORDERS)
    assert (made.slug, made.name) == ("orders-2", "Orders (copy)") and off(made) == OFF
    assert "Its triggers are off" in page.text
    workflows.publish(made, author=owner)
    deliver({"title": "go"})
    drain()
    assert [run.workflow_id for run in ExecutionRun.objects.all()] == [orders.pk]
    assert not Schedule.objects.filter(workflow=made).exists() and not made.forms.exists()


def test_a_further_copy_has_a_number(orders, sign_in, owner):
    client = sign_in(owner)
    imported(client, ORDERS)
    assert imported(client, ORDERS)[1].name == "Orders (copy 2)"


def test_of_an_import_those_triggers_are_off_that_start_another_workflow(orders, sign_in, owner):
    other = ORDERS.replace("slug: orders", "slug: other").replace("name: Orders", "name: Other")
    _, made = imported(sign_in(owner), other)
    assert (made.slug, made.name) == ("other", "Other") and off(made) == ("webhook",)


def test_a_trigger_that_is_turned_on_starts_runs(orders, sign_in, owner, deliver, drain):
    client = sign_in(owner)
    _, made = imported(client, ORDERS)
    do = {"do": "edit_trigger", "key": "webhook", "set": '{"disabled": false}', "rev": made.rev}
    assert client.post(reverse("studio:builder_command", args=[made.pk]), do).status_code == 200
    page = Page(client.get(reverse("studio:review", args=[made.pk])))
    assert "This webhook also starts Orders (v1)" in page.text
    workflows.publish(Workflow.objects.get(pk=made.pk), author=owner)
    deliver({"title": "go"})
    drain()
    assert ExecutionRun.objects.count() == 2


def test_the_builder_and_the_page_say_that_a_trigger_is_off(orders, sign_in, owner):
    client = sign_in(owner)
    _, made = imported(client, ORDERS)
    panel = Page(client.get(reverse("studio:builder", args=[made.pk]), {"step": "~trigger"}))
    assert "Turn on" in panel.text and "Turn off" not in panel.text
    page = Page(client.get(reverse("admin:automate_core_workflow_change", args=[made.pk])))
    assert "Off" in page.text and "Webhook, turned off" in page.text


def test_names_of_workflows_that_one_may_not_view_are_not_told(orders, colleague, endpoint):
    assign_perm("view_payload_webhookendpoint", colleague, endpoint)
    text = ORDERS.replace("slug: orders", "slug: mine").replace("name: Orders", "name: Mine")
    mine = workflows.save_definition(yaml_files.read_workflow(text), owner=colleague)
    said = [problem.reason for problem in publishing_warnings(mine, colleague) if problem.trigger == "webhook"]
    assert [str(each) for each in said] == ["This webhook also starts another workflow, which you cannot view."]


@pytest.mark.parametrize(
    ("theirs", "mine", "shared"),
    [
        ("{endpoint: github, event: issues}", "{endpoint: github, event: push}", False),
        ("{endpoint: github}", "{endpoint: github, event: push}", True),
        ("{endpoint: github, filter: {'==': [1, 1]}}", "{endpoint: github, filter: {'==': [1, 2]}}", False),
        ("{endpoint: github, filter: {'==': [1, 1]}}", "{endpoint: github}", True),
        ("{endpoint: github, disabled: true}", "{endpoint: github}", False),
        ("{endpoint: github}", "{endpoint: github, disabled: true}", False),
        ("{kind: poll, poll: rss.new_item, inputs: {url: 'https://a.example'}}",) * 2 + (True,),
        (
            "{kind: poll, poll: rss.new_item, inputs: {url: 'https://a.example'}}",
            "{kind: poll, poll: rss.new_item, inputs: {url: 'https://b.example'}}",
            False,
        ),
    ],
)
def test_triggers_are_shared_that_take_the_same(workflow, owner, theirs, mine, shared):
    text = "{name: %s, slug: %s, triggers: [%s], steps: [{key: log, action: data.log, inputs: {message: x}}]}"
    workflow(text % ("Theirs", "theirs", theirs))
    made = workflows.save_definition(yaml_files.read_workflow(text % ("Mine", "mine", mine)), owner=owner)
    said = [str(each.reason) for each in publishing_warnings(made, owner)]
    assert any("also starts Theirs (v1)" in reason for reason in said) is shared


def test_a_copy_is_a_draft_of_its_own(orders, sign_in, owner, colleague):
    assign_perm("view_workflow", colleague, orders)
    client, url = sign_in(colleague), reverse("studio:workflow_copy", args=[orders.pk])
    assert client.get(url).status_code == 200
    answer = client.post(url, {"name": "My orders"})
    made = Workflow.objects.get(slug="orders-2")
    assert answer.status_code == 303 and answer["Location"] == reverse("studio:builder", args=[made.pk])
    assert (made.name, made.owner, made.run_as, made.status) == ("My orders", colleague, colleague, "draft")
    assert off(made) == OFF and made.published is None
    before, after = map(workflows.load_definition, (orders, made))
    assert before.steps == after.steps and before.vars == after.vars
    entry = AuditEntry.objects.get(verb="workflow.copied")
    assert (entry.actor, entry.object_id, entry.changes) == ("colleague", str(made.pk), {"from": "orders"})


def test_a_copy_takes_what_viewing_and_creating_take(orders, sign_in, stranger, colleague):
    url = reverse("studio:workflow_copy", args=[orders.pk])
    assert sign_in(stranger).post(url, {"name": "x"}).status_code == 404
    assign_perm("view_workflow", colleague, orders)
    from django.contrib.auth.models import Group

    colleague.groups.set(Group.objects.filter(name="Viewers"))
    assert sign_in(colleague).post(url, {"name": "x"}).status_code == 403
    assert sign_in(colleague).get(reverse("admin:automate_core_workflow_change", args=[orders.pk])).status_code == 200
    assert Workflow.objects.count() == 1


def test_an_unfinished_draft_is_copied_as_it_is(orders, owner):
    from automate_core.models import Step

    Step.objects.filter(workflow=orders, key="log").update(inputs={"message": "{{ "})
    made = copies.copy_workflow(orders, by=owner).workflow
    assert made.steps.get().inputs == {"message": "{{ "}


def test_connections_that_the_person_may_not_use_keep_a_copy_from_being_published(workflow, owner, colleague):
    Connection.objects.create(name="Shop", slug="shop", connector="http", owner=owner, config={"base_url": "http://a"})
    calls = """{name: Calls, slug: calls, steps: [
      {key: call, action: http.request, connection: shop, inputs: {method: GET, url: /}}]}"""
    source = workflow(calls)
    assign_perm("view_workflow", colleague, source)
    made = copies.copy_workflow(source, by=colleague).workflow
    assert "shop" in " ".join(map(str, workflows.publishing_problems(made, colleague)))


def test_the_palette_and_the_list_offer_to_copy(orders, sign_in, owner, colleague):
    url = reverse("studio:workflow_copy", args=[orders.pk])
    for asked in ("copy", "copy workflow", "copy ord"):
        found = sign_in(owner).get(reverse("admin:search"), {"s": asked, "extended": "true"}).content.decode()
        assert url in found, asked
        assert url not in sign_in(colleague).get(reverse("admin:search"), {"s": asked}).content.decode()
    assert url in sign_in(owner).get(reverse("admin:automate_core_workflow_changelist")).content.decode()


def test_the_list_tells_workflows_of_one_name_apart(orders, sign_in, owner):
    text = ORDERS.replace("slug: orders", "slug: later")
    listed = reverse("admin:automate_core_workflow_changelist")
    assert "<code" not in sign_in(owner).get(listed).content.decode()
    workflows.save_definition(
        yaml_files.read_workflow(text.replace("endpoint: github", "endpoint: other")), owner=owner
    )
    assert {"orders", "later"} <= set(Page(sign_in(owner).get(listed)).text.split())


def test_an_import_of_the_same_slug_keeps_its_triggers(orders, owner, tmp_path):
    file = tmp_path / "orders.yaml"
    file.write_text(ORDERS.replace("hello", "good day"))
    out, err = StringIO(), StringIO()
    call_command("automate_import", str(file), "--publish", "--owner", "owner", stdout=out, stderr=err)
    assert f"{file}: orders imported, v2 is published (owner owner, runs as owner)" in out.getvalue()
    assert ActiveTrigger.objects.filter(workflow=orders, kind="webhook").exists() and off(orders) == ()


def test_an_import_warns_of_a_shared_webhook_and_of_a_superuser(orders, admin, tmp_path):
    file = tmp_path / "other.yaml"
    other = ORDERS.replace("slug: orders", "slug: other").replace("name: Orders", "name: Other")
    file.write_text(other)
    out, err = StringIO(), StringIO()
    call_command("automate_import", str(file), "--publish", stdout=out, stderr=err)
    assert "(owner root, runs as root)" in out.getvalue()
    assert "warning: it runs as a superuser" in err.getvalue()
    assert "warning, webhook: This webhook also starts Orders (v1)" in err.getvalue()
