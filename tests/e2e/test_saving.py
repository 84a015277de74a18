"""What people type in the builder is what is stored: emptied and filled again, beside other people, and in JSON."""

from __future__ import annotations

import pytest
from guardian.shortcuts import assign_perm
from playwright.sync_api import expect

from automate_authoring.drafts import commands, requests
from automate_core.models import Step, Workflow
from tests.support.events import came_to
from tests.support.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

SAVING = """
name: Saving
slug: saving
triggers: [{endpoint: github, event: issues}]
steps:
  - key: values
    name: Values
    action: data.set
    inputs: {title: Hello, count: 3, flag: '{{ run.id }}', done: true, tags: [a]}
  - {key: ask, name: Ask, action: http.request, inputs: {url: "https://api.example.com/x", headers: {X-A: "1"}}}
  - key: mail
    name: Mail
    action: email.send
    inputs: {to: a@example.com, subject: Hi, text: Hello}
  - kind: branch
    key: route
    name: Route
    arms: [{key: big, name: Big, when: {'>': [{var: event.payload.count}, 5]}}]
"""

HOLD_REQUESTS = """() => {
  const held = new Promise((resolve) => { window.release = resolve; });
  const send = window.fetch;
  window.fetch = async (...request) => { await held; return send(...request); };
}"""


@pytest.fixture
def made(workflow):
    return workflow(SAVING, publish=False)


@pytest.fixture
def opened(made, signed_in, site):
    def go(path):
        signed_in.goto(f"{site}/admin/automate/workflows/{made.pk}/builder/?step={path}")
        signed_in.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
        return signed_in

    return go


def step(key):
    return Step.objects.get(key=key)


MISSING = "missing"  # what is not set, or not any more


def stored(key, name, value):
    wait_for(lambda: step(key).inputs.get(name, MISSING) == value)


@pytest.mark.extended
def test_what_was_emptied_takes_a_new_value(opened, faults):
    page = opened("values")
    title = page.get_by_role("textbox", name="title", exact=True)
    title.fill("")
    stored("values", "title", "")
    title.fill("New")
    stored("values", "title", "New")
    count = page.get_by_role("textbox", name="count", exact=True)
    count.fill("")
    stored("values", "count", MISSING)  # a number that is emptied is not set
    count.fill("7")
    stored("values", "count", 7)
    switch = page.get_by_role("group", name="count: value or expression")
    switch.get_by_role("button", name="Expression").click()
    page.keyboard.type("{{ event.payload.number }}")
    stored("values", "count", "{{ event.payload.number }}")
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    stored("values", "count", MISSING)
    page.keyboard.type("{{ event.payload.number }}")
    stored("values", "count", "{{ event.payload.number }}")
    page.evaluate(HOLD_REQUESTS)
    page.keyboard.type(" ")  # still to be stored when the switch is asked for
    switch.get_by_role("button", name="Value").click()
    count.fill("12")
    page.evaluate("release()")
    expect(switch.get_by_role("button", name="Value")).to_have_attribute("aria-pressed", "true")
    expect(count).to_have_value("12")
    stored("values", "count", 12)
    flag = page.get_by_role("textbox", name="flag", exact=True)
    flag.click()
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    stored("values", "flag", "")
    page.keyboard.type("{{ event.payload.other }}")
    page.keyboard.press("Escape")
    stored("values", "flag", "{{ event.payload.other }}")

    # a number that is there is replaced by what is typed
    page.get_by_role("textbox", name="Name of the new value").fill("amount")
    page.get_by_label("Type of the new value").select_option("Number")
    page.get_by_role("button", name="Add value").click()
    expect(page.get_by_role("textbox", name="amount", exact=True)).to_be_focused()
    page.keyboard.type("1500")
    stored("values", "amount", 1500)
    page.get_by_role("textbox", name="count", exact=True).click()
    page.keyboard.type("8")
    stored("values", "count", 8)

    page = opened("values")
    for name, text in (("title", "New"), ("count", "8"), ("amount", "1500")):
        expect(page.get_by_role("textbox", name=name, exact=True)).to_have_value(text)

    # undo takes all of it back, edit by edit
    while page.locator("#undo").is_enabled():
        last = page.locator("#undo").get_attribute("title")
        page.locator("#undo").click()
        expect(page.locator("#undo")).not_to_have_attribute("title", last)
    assert step("values").inputs == {"title": "Hello", "count": 3, "flag": "{{ run.id }}", "done": True, "tags": ["a"]}
    assert faults(page) == []


@pytest.mark.extended
def test_a_value_stays_when_it_is_switched_to_an_expression_and_back(opened, faults, shot):
    page = opened("values")
    count, switch = page.locator("[name='inputs.count']"), page.get_by_role("group", name="count: value or expression")
    count.fill("0.07")
    switch.get_by_role("button", name="Expression").click()  # before it is stored
    expect(switch.get_by_role("button", name="Expression")).to_have_attribute("aria-pressed", "true")
    expect(count).to_have_value("")  # data that is inserted comes in the place of a number
    expect(page.locator("#saved")).to_have_text("Saved")
    assert step("values").inputs["count"] == 0.07
    switch.get_by_role("button", name="Value").click()
    expect(count).to_have_value("0.07")
    switch.get_by_role("button", name="Expression").click()
    expect(count).to_have_value("")
    count.fill("0.11")
    switch.get_by_role("button", name="Value").click()
    expect(count).to_have_value("0.11")
    stored("values", "count", 0.11)
    switch.get_by_role("button", name="Expression").click()
    count.fill("{{ run.id }}")
    stored("values", "count", "{{ run.id }}")
    switch.get_by_role("button", name="Value").click()
    expect(count).to_have_value("")

    done, switch = (
        page.locator("[name='inputs.done']:not([type=hidden])"),
        page.get_by_role("group", name="done: value or expression"),
    )
    tags, tags_switch = (
        page.locator("[data-field='inputs.tags']"),
        page.get_by_role("group", name="tags: value or expression"),
    )
    switch.get_by_role("button", name="Expression").click()
    expect(done).to_have_value("true")
    tags_switch.get_by_role("button", name="Expression").click()
    title = page.get_by_role("textbox", name="title", exact=True)
    title.fill("Last")
    stored("values", "title", "Last")
    switch.get_by_role("button", name="Value").click()
    expect(done).to_be_checked()
    tags_switch.get_by_role("button", name="Value").click()
    expect(tags.locator("[data-row]")).to_have_count(1)
    expect(page.locator("#saved")).to_have_text("Saved")
    kept = {"title": "Last", "count": "{{ run.id }}", "flag": "{{ run.id }}", "done": True, "tags": ["a"]}
    assert step("values").inputs == kept

    tags_switch.get_by_role("button", name="Expression").click()
    page.locator("[name='inputs.tags']").fill("b")
    tags_switch.get_by_role("button", name="Value").click()
    expect(tags.locator("[name='inputs.tags::item']")).to_have_value("b")
    assert step("values").inputs == {**kept, "tags": ["b"]}
    tags.locator("[data-row-remove]").click()
    expect(tags.locator("[data-row]")).to_have_count(0)
    tags_switch.get_by_role("button", name="Expression").click()  # a list without rows is switched as well
    expect(page.locator("[name='inputs.tags']")).to_be_focused()

    # an expression does not tell the type of the value: it is chosen
    page, switch = opened("values"), page.get_by_role("group", name="count: value or expression")
    switch.get_by_role("button", name="Value").click()
    shot(page, "saving-typed")
    kind = page.locator("[data-field='inputs.count'] select")
    kind.select_option("Text")
    kind.select_option("Number")
    assert step("values").inputs["count"] == "{{ run.id }}"
    page.locator("[name='inputs.count']").fill("0.5")
    stored("values", "count", 0.5)
    assert faults(page) == []


@pytest.mark.extended
def test_what_cannot_be_stored_yet_stays(opened, faults):
    page = opened("ask")
    headers = page.locator("[data-field='inputs.headers']")
    headers.get_by_role("button", name="Add to Headers").click()
    headers.get_by_role("textbox", name="Value", exact=True).last.fill("of no name")
    expect(page.locator("#saved")).to_have_text("Not saved: Ask")
    page.locator("#card-route").click()
    expect(page.locator("#inspector-name")).to_have_text("Route")
    value = page.get_by_role("textbox", name="Value", exact=True)
    value.press("Control+a")
    value.press_sequentially("77")
    wait_for(lambda: step("route").settings["arms"][0]["when"] == {">": [{"var": "event.payload.count"}, 77]})
    page.get_by_role("link", name="Not saved: Ask").click()
    expect(headers.locator("[data-row]")).to_have_count(2)
    expect(headers.locator("[name='inputs.headers::value']").last).to_have_value("of no name")
    headers.get_by_role("combobox", name="Name").or_(headers.get_by_role("textbox", name="Name")).last.fill("X-B")
    stored("ask", "headers", {"X-A": "1", "X-B": "of no name"})
    expect(page.locator("#saved")).to_have_text("Saved")
    headers.locator("[name='inputs.headers::value']").last.fill("")
    stored("ask", "headers", {"X-A": "1", "X-B": ""})
    headers.locator("[name='inputs.headers::value']").last.fill("named")
    stored("ask", "headers", {"X-A": "1", "X-B": "named"})
    assert [fault for fault in faults(page) if "422" not in fault] == []


@pytest.mark.extended
@pytest.mark.parametrize(("answer", "why"), [(503, "is busy or restarting"), (0, "cannot be reached")])
def test_what_meets_no_server_is_kept_and_sent_again(opened, answer, why, shot):
    page = opened("ask")

    def refuse(route):
        if answer:
            route.fulfill(status=answer, body="")
        else:
            route.abort()

    page.route("**/builder/step/**", refuse)
    page.locator("[name='inputs.url']").fill("https://api.example.com/kept")
    said = f"Not saved: the server {why}. Your changes are kept and sent again."
    expect(page.locator("#saved")).to_have_text(said)
    shot(page, f"saving-away-{answer}")
    page.locator("#card-mail").click()
    expect(page.locator("#saved")).to_have_text("Not saved: Ask")
    expect(page.locator("#inspector [role=alert]")).to_contain_text(f"The server {why}.")
    page.unroute("**/builder/step/**")
    page.get_by_role("link", name="Not saved: Ask").click()
    stored("ask", "url", "https://api.example.com/kept")
    expect(page.locator("#saved")).to_have_text("Saved")


@pytest.mark.extended
def test_a_message_offers_undo_of_its_own_edit_alone(opened):
    page = opened("ask")
    page.locator("#card-mail").focus()
    page.keyboard.press("Delete")
    said = page.locator("#toast .da-toast")
    said.hover()  # it stays
    expect(said.get_by_role("button", name="Undo")).to_be_visible()
    page.locator("[name='inputs.url']").fill("https://api.example.com/later")
    stored("ask", "url", "https://api.example.com/later")
    expect(said.get_by_role("button", name="Undo")).to_have_count(0)
    expect(said).to_be_visible()


@pytest.mark.extended
def test_settings_are_edited_again_and_again(opened, faults):
    page = opened("~workflow")
    for number in range(3):
        page.locator("[name='name']").fill(f"Saving {number}")
        wait_for(lambda number=number: Workflow.objects.get().name == f"Saving {number}")
        expect(page.locator("#saved")).to_have_text("Saved")
    page.locator("[name='description']").fill("Twice")
    wait_for(lambda: Workflow.objects.get().description == "Twice")
    expect(page.locator("#conflict")).to_be_empty()
    assert faults(page) == []


@pytest.mark.extended
def test_two_people_in_different_fields_of_a_step(opened, made, colleague, faults, shot):
    for verb in ("view_workflow", "change_workflow"):
        assign_perm(verb, colleague, made)

    def theirs(**fields):
        edit = {"do": "edit", "key": "mail", "rev": step("mail").rev, "set": fields}
        commands.run_command(made.pk, requests.read_request(edit), by=colleague)

    page = opened("mail")
    subject, text = page.locator("[name='inputs.subject']"), page.locator("[name='inputs.text']")
    theirs(**{"inputs.text": "Theirs"})
    subject.fill("Mine")
    stored("mail", "subject", "Mine")
    assert step("mail").inputs["text"] == "Theirs"
    expect(text).to_have_value("Theirs")
    expect(subject).to_be_focused()
    expect(page.get_by_text("colleague also edited this")).to_be_visible()

    # the same field asks, and keeps nothing but that field
    theirs(**{"inputs.subject": "Theirs", "inputs.text": "Theirs again"})
    subject.fill("Mine again")
    note = page.get_by_role("alert").filter(has_text="colleague changed this step. Your change is not saved.")
    expect(note).to_be_visible()
    shot(page, "saving-conflict")
    page.get_by_role("tab", name="Notes").click()
    page.get_by_role("textbox", name="Notes").fill("Of another field")
    wait_for(lambda: step("mail").notes == "Of another field")
    expect(note).to_be_visible()
    note.get_by_role("button", name="Keep my change").click()
    stored("mail", "subject", "Mine again")
    expect(note).to_have_count(0)
    expect(text).to_have_value("Theirs again")
    assert step("mail").inputs["text"] == "Theirs again" and step("mail").notes == "Of another field"
    page.locator("#undo").click()
    stored("mail", "subject", "Theirs")
    assert [fault for fault in faults(page) if "409" not in fault] == []


@pytest.mark.extended
def test_two_tabs_of_one_person_conflict_and_a_page_loaded_anew_does_not(opened, made):
    page = opened("mail")
    other = page.context.new_page()
    other.goto(page.url)
    other.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
    page.locator("[name='inputs.subject']").fill("One")
    stored("mail", "subject", "One")
    page.reload()
    page.locator("[name='inputs.subject']").fill("One again")
    stored("mail", "subject", "One again")
    other.locator("[name='inputs.subject']").fill("Two")
    note = other.get_by_role("alert").filter(has_text="You changed this step in another tab.")
    expect(note).to_be_visible()
    assert step("mail").inputs["subject"] == "One again"
    note.get_by_role("button", name="Keep my change").click()
    stored("mail", "subject", "Two")


@pytest.mark.extended
def test_data_is_put_into_a_field_that_takes_any_json(opened, faults):
    came_to("github", type="issues", payload={"mail": "ada@example.com", "number": 7})
    page = opened("mail")
    page.locator("[name='inputs.to']").fill("")
    page.keyboard.type("{mail")
    hit = page.get_by_role("treeitem", name="mail, ada@example.com, text")
    expect(hit).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(hit).to_be_focused()
    page.keyboard.press("Enter")
    stored("mail", "to", "{{ event.payload.mail }}")

    # in the search box as well: the hit is chosen, not its heading
    page.locator("[name='inputs.subject']").press("End")
    page.locator("[data-field='inputs.subject']").get_by_role("button", name="Insert data").click()
    page.get_by_role("searchbox", name="Search names").fill("number")
    number = page.get_by_role("treeitem", name="number, 7, a number")
    expect(number).to_be_visible()
    expect(page.locator("#picker-said")).to_have_text("1 found")
    page.keyboard.press("ArrowDown")
    expect(number).to_be_focused()
    page.keyboard.press("Enter")
    stored("mail", "subject", "Hi{{ event.payload.number }}")
    assert [fault for fault in faults(page) if "422" not in fault] == []


@pytest.mark.extended
def test_data_is_put_into_json(opened, faults, shot):
    came_to("github", type="issues", payload={"mail": "ada@example.com", "number": 7})
    page = opened("ask")
    page.get_by_label("Method", exact=True).select_option("POST")
    page.get_by_label("Body", exact=True).select_option("JSON")
    body = page.locator("[data-field='inputs.json'] .cm-content")
    body.click()
    page.keyboard.type('{"number": {number')
    number = page.get_by_role("treeitem", name="number, 7, a number")
    expect(number).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(number).to_be_focused()
    page.keyboard.press("Enter")
    field = page.locator("[name='inputs.json']")
    expect(field).to_have_value('{"number": "{{ event.payload.number }}"')
    page.keyboard.type(', "who": "To {mail')
    expect(page.locator("#picker")).to_be_visible()
    page.keyboard.press("ArrowDown")  # where the search is on its way it waits for what is found
    expect(page.get_by_role("treeitem", name="mail, ada@example.com, text")).to_be_focused()
    shot(page, "saving-json")
    page.keyboard.press("Enter")
    page.keyboard.type('!"}')
    expect(field).to_have_value('{"number": "{{ event.payload.number }}", "who": "To {{ event.payload.mail }}!"}')
    stored("ask", "json", {"number": "{{ event.payload.number }}", "who": "To {{ event.payload.mail }}!"})
    expect(page.locator("#preview-field-inputs-json")).to_contain_text('"number": 7')
    assert [fault for fault in faults(page) if "422" not in fault] == []


@pytest.mark.extended
def test_a_step_that_was_changed_is_not_called_tested(opened, faults):
    page = opened("values")
    result, badge = page.locator("#test-result"), page.locator("#card-values .da-badge")
    page.get_by_role("button", name="Test step").click()
    expect(result.get_by_role("status").first).to_have_text("Test passed", timeout=60_000)
    title = page.get_by_role("textbox", name="title", exact=True)
    title.fill("Another")
    expect(result.get_by_role("status").first).to_have_text("Changed since test", timeout=30_000)
    expect(badge).to_have_text("Changed since test")
    title.fill("Hello")
    expect(result.get_by_role("status").first).to_have_text("Test passed", timeout=30_000)
    assert faults(page) == []
