"""The way of a form: made in the builder, published, answered on a phone with a file, and its run looked at."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from automate_core.models import Event, ExecutionRun
from tests.support.axe import violations
from tests.support.browser import watch
from tests.support.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

DRAFT = """
name: Repairs
slug: repairs
steps:
  - key: details
    kind: wait
    title: 'More about {{ event.payload.item }}'
    form: [{name: reason, label: What is broken?, kind: long_text, required: true}]
    timeout: 2d
  - {key: note, action: data.set, inputs: {reason: '{{ steps.details.output.form.reason }}'}}
"""
WIDER = "document.documentElement.scrollWidth > innerWidth"


@pytest.mark.extended
def test_a_form_from_the_builder_to_its_run(workflow, signed_in, browser, site, faults, shot):
    made = workflow(DRAFT, publish=False)
    page = signed_in
    page.goto(f"{site}/admin/automate/workflows/{made.pk}/builder/?step=~trigger")
    page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
    page.get_by_role("button", name="Form", exact=True).click()
    trigger = page.locator("#trigger-form")
    for name, label, kind in (("item", "Which thing?", "text"), ("photo", "Photo", "file")):
        trigger.get_by_role("button", name="Add to Fields").click()
        trigger.get_by_label("Name").last.fill(name)
        trigger.get_by_label("Label").last.fill(label)
        trigger.locator("[data-cell=kind] select").last.select_option(kind)
    names = trigger.locator("[data-cell=name]")
    for label, name in (
        ("Your e-mail address", "your_e_mail_address"),
        ("Größe 2", "grosse_2"),
        ("Größe 2", "grosse_2_2"),
    ):
        trigger.get_by_role("button", name="Add to Fields").click()
        trigger.get_by_label("Label").last.press_sequentially(label)
        expect(names.last.get_by_role("textbox")).to_have_value(name)
    trigger.locator("[data-cell=kind] select").last.select_option("email")
    expect(trigger.locator("[data-cell=minimum]").last).to_be_hidden()
    names.last.get_by_role("textbox").fill("size")
    trigger.get_by_label("Label").last.fill("Size")
    expect(names.last.get_by_role("textbox")).to_have_value("size")
    wait_for(lambda: len(made.triggers.get().config.get("inputs", [])) == 5)
    for _ in range(3):
        trigger.get_by_role("button", name="Remove", exact=True).last.click()
    names.first.get_by_label("Name").fill("Which item")
    expect(names.first.get_by_role("alert")).to_be_visible()  # at the cell, not below all rows
    expect(names.last.get_by_role("alert")).to_have_count(0)
    expect(names.first.get_by_label("Name")).to_have_attribute("aria-invalid", "true")
    shot(page, "form-builder-name")
    names.first.get_by_label("Name").fill("item")
    expect(names.first.get_by_role("alert")).to_have_count(0)
    expect(trigger.get_by_label("File types", exact=True).filter(visible=True)).to_have_count(1)  # of the photo alone
    expect(trigger.get_by_label("Choices", exact=True).filter(visible=True)).to_have_count(0)
    trigger.get_by_text("More options").click()
    trigger.get_by_label("Proof of work").check()
    wait_for(lambda: made.triggers.get().config.get("proof_of_work"))
    wait_for(
        lambda: [each.get("kind", "text") for each in made.triggers.get().config.get("inputs", [])] == ["text", "file"]
    )
    expect(trigger.get_by_text("/forms/repairs/")).to_be_visible()
    shot(page, "form-builder")
    page.goto(f"{site}/admin/automate/workflows/{made.pk}/review/")
    page.get_by_role("button", name="Publish v1").click()
    wait_for(lambda: made.versions.exists())

    for scheme in ("light", "dark"):
        context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, color_scheme=scheme)
        phone = context.new_page()
        watch(phone)
        phone.goto(f"{site}/forms/repairs/")
        assert violations(phone) == [] and not phone.evaluate(WIDER), scheme
        shot(phone, f"form-phone-{scheme}")
    phone.get_by_label("Which thing?").fill("Door")
    phone.get_by_label("Photo").set_input_files(
        {"name": "door.png", "mimeType": "image/png", "buffer": b"\x89PNG\r\n\x1a\n" + b"0" * 100}
    )
    expect(phone.get_by_text("Checked", exact=True)).to_be_visible()  # it began when a field got the focus
    assert violations(phone) == []
    shot(phone, "form-phone-proof")
    phone.wait_for_timeout(2_100)  # nobody is quicker
    phone.get_by_role("button", name="Submit").click()
    expect(phone.get_by_role("heading", name="More about Door")).to_be_visible()
    assert violations(phone) == [] and not phone.evaluate(WIDER)
    phone.get_by_label("What is broken?").fill("The lock")
    phone.get_by_role("button", name="Submit").click()
    expect(phone.get_by_role("heading", name="Thank you")).to_be_visible()
    assert violations(phone) == [] and faults(phone) == []
    wait_for(lambda: ExecutionRun.objects.filter(workflow=made, status="succeeded").exists())
    assert Event.objects.get(source="form:repairs").payload["photo"]["name"] == "door.png"
    page.goto(f"{site}/admin/automate_core/executionrun/{ExecutionRun.objects.get(workflow=made).pk}/change/")
    expect(page.get_by_text("Form page").first).to_be_visible()
    page.get_by_role("treeitem", name="Form, /forms/repairs/").click()
    expect(page.get_by_text("door.png").first).to_be_visible()
    shot(page, "form-run")
    context.close()
