"""The data picker, previews and samples over HTTP: what is offered where, what it comes to, and to whom it is shown."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest
from guardian.shortcuts import assign_perm

from automate_authoring import workflows
from automate_authoring.definitions import scope
from automate_authoring.drafts import commands
from automate_core.definition.parsing import parse
from automate_core.expressions.templating import compile_template
from automate_core.models import Event, ExecutionRun
from automate_governance.models import AuditEntry
from automate_studio.models import ChosenSample
from tests.support.builder import Builder
from tests.support.costs import cost, unit
from tests.support.events import came_to
from tests.support.large_workflows import large_workflow
from tests.support.pages import Page
from tests.support.workflows import TRIAGE

pytestmark = pytest.mark.django_db(transaction=True)

ISSUE = {
    "title": "bug",
    "number": 2381,
    "user": {"login": "ada", "e-mail": "ada@example.com"},
    "labels": [{"name": "urgent", "id": 7}, {"name": "late", "id": 8}],
    "tags": ["a", "b"],
    "assignee": {"login": "alan"},
}


class Picker(Builder):
    """The picker, the preview and the samples of one draft."""

    def data(self, path, **query):
        return Page(self.client.get(self.url("builder_data", path), query))

    def rows(self, path, **query):
        """What can be inserted, by the name that it is offered under."""
        page = self.data(path, **query)
        assert page.status == 200
        return {found["aria-label"]: found for _, found in page.tags if "data-insert" in found}

    def groups(self, path, **query):
        return [found["aria-label"] for _, found in self.data(path, **query).tags if found.get("aria-level") == "1"]

    def preview(self, path, name, text):
        answer = self.client.post(self.url("builder_preview", path), {"name": name, "text": text, "id": "x"})
        assert answer.status_code == 200
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())

    def sample(self, **fields):
        method = self.client.post if fields else self.client.get
        return method(self.url("builder_sample"), fields)


@pytest.fixture
def made(workflow):
    return workflow(TRIAGE)


@pytest.fixture
def builder(made, sign_in, owner):
    return Picker(sign_in(owner), made)


@pytest.fixture
def ran(made, deliver, drain):
    """Two events that have run: the newest has an assignee, the one before has none."""
    deliver({**{name: value for name, value in ISSUE.items() if name != "assignee"}, "number": 2380})
    deliver(ISSUE)
    drain()
    assert ExecutionRun.objects.count() == 2


# --- what is in scope -------------------------------------------------------------------------------------------------

SCOPES = """
name: Scopes
slug: scopes
triggers: [{endpoint: github}]
steps:
  - {key: off, disabled: true, action: data.set}
  - kind: branch
    key: every
    match: all
    arms:
      - {key: a, when: true, steps: [{key: in_a, action: data.set, inputs: {x: 1}}]}
      - {key: b, name: Second, when: true, steps: [{key: in_b, action: data.set, inputs: {x: 1}}]}
    otherwise: [{key: in_other, action: data.set, inputs: {x: 1}}]
  - kind: approval
    key: ask
    assignees: [owner]
    timeout: 1h
    outcomes:
      - {key: approved, steps: [{key: yes, action: data.set, inputs: {x: 1}}]}
      - {key: rejected, steps: [{key: no, action: data.set, inputs: {x: 1}}]}
    on_timeout: [{key: late, action: data.set, inputs: {x: 1}}]
  - kind: try
    key: careful
    steps:
      - {key: risky, action: data.set, inputs: {x: 1}}
      - kind: for_each
        key: each
        items: '{{ event.payload.tags }}'
        steps:
          - {key: inner, action: data.set, inputs: {x: 1}}
          - {kind: repeat, key: again, maximum: 2, until: true, steps: [{key: turn, action: data.set, inputs: {x: 1}}]}
    on_error: [{key: caught, action: data.set, inputs: {x: 1}}]
    always: [{key: tidy, action: data.set, inputs: {x: 1}}]
  - {key: fails, action: data.set, inputs: {x: 1}, on_error: {steps: [{key: instead, action: data.set, inputs: {x: 1}}]}}
  - {kind: wait, key: hook, callback: true, timeout: 1h, on_timeout: [{key: gone, action: data.set, inputs: {x: 1}}]}
  - {key: last, action: data.set, inputs: {x: 1}}
"""


@pytest.mark.extended
def test_what_is_offered_is_what_may_be_named(workflow, sign_in, owner):
    """At every step: the steps that validation lets an expression name there, and no others."""
    made = workflow(SCOPES, publish=False)
    builder = Picker(sign_in(owner), made)
    state = commands.load_state(made)
    draft = state.draft
    asked = [node for node in draft.steps.values() if node.kind == "action" and node.key != "off"]
    for node in asked:
        path = builder_path(draft, node.key)
        said = builder.save(path, **{"inputs.x": "{{ steps.nowhere.output }}"}).content.decode()
        found = re.search(r"no step comes before this one|Earlier steps: (?P<keys>[a-z_, ]+)", said)
        assert found, node.key
        named = set(found["keys"].split(", ")) if found["keys"] else set()
        assert scope.scope_at(state.parsed.definition, node.key).step_keys == named, node.key
    groups = builder.groups("last")
    assert "3. In a, only if Every ran a" in groups and "14. Turn" not in " ".join(groups)
    assert "11. Risky, only if Careful succeeded" in groups and "12. Each, only if Careful succeeded" in groups
    assert [name for name in groups if name.startswith("Current item")] == []
    assert "Current item of Each" in builder.groups("careful/each/again/turn")
    assert "index, a number" in builder.rows("careful/each/again/turn")
    assert "Error, 4" in builder.groups("careful/caught") and "The error, 4" not in builder.groups("careful/risky")
    callback = builder.rows("last")["URL that answers Hook, text"]
    assert callback["data-insert"] == "{{ callbacks.hook }}"


def builder_path(draft, key):
    node, path = draft.steps[key], key
    while node.parent:
        node = draft.steps[node.parent]
        path = f"{node.key}/{path}"
    return path


# --- the tree ---------------------------------------------------------------------------------------------------------


@pytest.mark.extended
def test_rows_have_values_and_types_and_levels_open(builder, ran):
    rows = builder.rows("last")
    assert rows["number, 2381, a number"]["data-insert"] == "{{ event.payload.number }}"
    assert rows["title, bug, text"]["aria-level"] == "2"
    assert "assignee, sometimes missing, 1 field, a mapping" in rows
    assert (
        rows["assignee, sometimes missing, 1 field, a mapping"]["data-insert"]
        == "{{ event.payload.assignee | default(none) }}"
    )
    groups = builder.groups("last")
    assert groups[:3] == ["Trigger: Webhook", "1. Look", "2. Route"] and "3. Tell, only if Route ran Bug" in groups
    user = rows["user, 2 fields, a mapping"]
    inner = builder.rows("last", open=user["data-open"], level=user["data-level"])
    assert inner["e-mail, ada@example.com, text"]["data-insert"] == '{{ event.payload.user["e-mail"] }}'
    assert {found["aria-level"] for found in inner.values()} == {"3"}
    look = builder.rows("last", open='["steps", "look", "output"]', level=1)
    assert look["title, bug, text"]["data-insert"] == "{{ steps.look.output.title }}"
    tell = builder.rows("last", open='["steps", "tell", "output"]', level=1, only_if="y")
    assert "default(" in next(iter(tell.values()))["data-insert"]
    item = builder.rows("route/each/note")
    assert item["name, urgent, text"]["data-insert"] == "{{ item.name }}"
    for bad in ("x", "[]", '[["a"]]', "[1.5]", "[" * 2_000):
        assert builder.data("last", open=bad).status == 404
    assert builder.data("nowhere").status == 404


@pytest.mark.extended
def test_what_is_inserted_gives_what_is_shown(builder, ran):
    """Everything that is offered can be rendered on the sample, helpers of lists included."""
    found = {}
    for path, query in (
        ("route/each/note", {}),
        ("last", {"open": '["event", "payload", "labels"]', "level": 2}),
        ("last", {"open": '["event", "payload", "tags"]', "level": 2}),
        ("last", {"q": "a"}),
    ):
        rows = builder.rows(path, **query)
        for label, row in rows.items():
            said = builder.preview(path, "inputs.n", row["data-insert"])
            assert said.startswith("Preview"), (label, row["data-insert"], said)
        found |= rows
    assert len(found) > 20
    assert found["Count, 2"]["data-insert"] == "{{ event.payload.tags | length }}"
    assert (
        found["All name values, joined, urgent, late"]["data-insert"]
        == """{{ event.payload.labels | join(', ', "name") }}"""
    )
    assert found["Item where name is …, urgent"]["data-insert"] == (
        """{{ event.payload.labels | find("name", "urgent") }}"""
    )
    assert found["Repeat this step for each item"]["data-act-data"] == "each"


@pytest.mark.extended
def test_search_finds_names_and_values(builder, ran):
    assert builder.rows("last", q="ada@")['user["e-mail"], ada@example.com, text']
    hits = builder.rows("last", q="late")
    assert hits["labels[1].name, late, text"]["data-insert"] == "{{ event.payload.labels[1].name }}"
    assert builder.groups("last", q="look")[:1] == ["1. Look"]
    assert "No data matches “zebra”" in builder.data("last", q="zebra").text
    assert len(builder.rows("last", q="a")) <= 60


@pytest.mark.extended
def test_repeating_a_step_for_each_item_is_one_edit(builder, ran):
    rev = builder.state()["data-rev"]
    answer = builder.do("wrap", rev=rev, key="last", kind="for_each", items="{{ event.payload.labels }}")
    assert answer.status_code == 200
    draft = commands.load_state(builder.workflow).draft
    holder = draft.steps[draft.steps["last"].parent]
    assert holder.kind == "for_each" and holder.settings["items"] == "{{ event.payload.labels }}"
    assert builder.rows(f"{holder.key}/last")["id, 7, a number"]["data-insert"] == "{{ item.id }}"
    last = builder.state()["data-last"]
    assert builder.do("undo", last=last).status_code == 200
    assert commands.load_state(builder.workflow).draft.steps["last"].parent == ""
    assert builder.do("wrap", key="last", kind="try", items="{{ x }}").status_code == 422


def test_names_are_documented_before_anything_came(builder, workflow, sign_in, owner):
    assert "No sample yet" in builder.data("last").text
    look = builder.rows("last", open='["steps", "look", "output"]', level=1)
    assert look["title, any value"]["data-insert"] == "{{ steps.look.output.title }}"
    manual = workflow("""
name: By hand
slug: by-hand
triggers: [{kind: manual, inputs: [{name: amount, kind: number}, {name: reason}]}]
steps:
  - {key: call, action: http.request, inputs: {url: 'https://example.com/'}}
  - {key: end, action: data.set}
""")
    rows = Picker(sign_in(owner), manual).rows("end")
    assert {"amount, a number", "reason, text", "status, a number", "headers, a mapping"} <= set(rows)


# --- previews ---------------------------------------------------------------------------------------------------------


@pytest.mark.extended
def test_a_preview_shows_the_value_its_type_and_what_is_wrong(builder, ran, workflow, sign_in, owner):
    said = builder.preview("last", "inputs.found", "No. {{ event.payload.number }}: {{ steps.look.output.title }}")
    assert said.endswith("No. 2381 : bug") and "text · newest event" in said
    marked = builder.client.post(
        builder.url("builder_preview", "last"), {"name": "x", "text": "No. {{ event.payload.number }}"}
    ).content.decode()
    assert re.search(r"No\. <mark\s*>2381</mark>", re.sub(r"\s+", " ", marked))
    assert "a number ·" in builder.preview("last", "inputs.found", "{{ event.payload.number }}")
    assert "Did you mean 'title'?" in builder.preview("last", "inputs.found", "{{ event.payload.titel }}")
    assert "Line 2: event.payload.no does not exist" in builder.preview(
        "last", "inputs.found", "a\n{{ event.payload.no }}"
    )
    assert "There is no filter 'uper'" in builder.preview("last", "inputs.found", "{{ 1 | uper }}")
    assert builder.preview("route/each/note", "inputs.n", "{{ item.name }} {{ index }}").endswith("urgent 0")
    slow = builder.preview(
        "last", "inputs.found", "{% for a in range(1000) %}{% for b in range(1000) %}x{% endfor %}{% endfor %}"
    )
    assert slow == "The loops go through more than 100,000 items."
    typed = workflow("""
name: Typed
slug: typed
triggers: [{endpoint: github}]
steps: [{key: wait, action: http.request, inputs: {url: 'https://example.com/', max_pages: '{{ event.payload.text }}'}}]
""")
    assert builder.sample(choose="edited", payload="{}").status_code == 200
    other = Picker(sign_in(owner), typed)
    assert other.sample(choose="edited", payload='{"text": "409", "list": [1]}').status_code == 200
    assert 'text "409" → a number 409, converted' in other.preview(
        "wait", "inputs.max_pages", "{{ event.payload.text }}"
    )
    assert "must be a whole number (got list)" in other.preview("wait", "inputs.max_pages", "{{ event.payload.list }}")


def test_a_preview_offers_to_compute_a_sum(builder, ran):
    def offered(text):
        answer = builder.client.post(builder.url("builder_preview", "last"), {"name": "inputs.found", "text": text})
        return [found["data-use"] for _, found in Page(answer).tags if "data-use" in found]

    assert offered("{{ event.payload.number }} * 2") == ["{{ (event.payload.number | to_number) * 2 }}"]
    number = "event.payload.number"
    assert offered(f"{{{{ {number} }}}} - {{{{ {number} }}}}") == [
        f"{{{{ ({number} | to_number) - ({number} | to_number) }}}}"
    ]
    assert offered("{{ event.payload.title }} - {{ event.payload.number }}") == [], "a title and a number: text"
    assert offered("{{ event.payload.number * 2 }}") == []


def test_a_text_in_a_number_s_place_is_said_and_made_a_number(builder, ran):
    def said(text, drawn="number"):
        values = {"name": "inputs.found", "text": text, "drawn": drawn}
        page = Page(builder.client.post(builder.url("builder_preview", "last"), values))
        return "The result is text, not a number" in page.text, [
            found["data-use"] for _, found in page.tags if "data-use" in found
        ]

    assert said("{{ event.payload.title }}") == (True, ["{{ (event.payload.title) | to_number }}"])
    assert said("No {{ event.payload.number }}") == (True, [])
    assert said("{{ event.payload.number }}") == said("{{ event.payload.title }}", drawn="long_text") == (False, [])


def test_functions_are_listed_with_what_is_inserted(builder, sign_in, stranger):
    page = Page(builder.client.get(builder.url("builder_functions")))
    every = [each for _, each in page.tags if "data-name" in each]
    found = {each["data-name"]: each for each in reversed(every)}  # `first` is a filter as well
    assert {"first", "now", "to_number", "truncate"} <= set(found)
    assert found["truncate"]["data-applied"].startswith("truncate(") and not found["truncate"]["data-around"]
    assert found["first"]["data-around"] == "first($, '')"
    for name, each in found.items():
        compile_template(each["data-example"])
        if each["data-applied"]:
            assert each["data-applied"].partition("(")[0] == name
            compile_template(f"{{{{ event | {each['data-applied']} }}}}")
    assert sign_in(stranger).get(builder.url("builder_functions")).status_code in {403, 404}


def test_a_text_that_is_a_number_is_taken_as_one_when_it_runs(workflow, deliver, drain):
    workflow("""
name: Typed
slug: typed
triggers: [{endpoint: github}]
steps: [{key: log, action: data.log, inputs: {message: '{{ event.payload.number }}'}}]
""")
    deliver({"number": 7})
    drain()
    run = ExecutionRun.objects.get()
    assert run.status == "succeeded", run.error


# --- samples ----------------------------------------------------------------------------------------------------------


@pytest.mark.extended
def test_a_sample_is_chosen_and_edited_by_each_for_themselves(builder, made, ran, sign_in, colleague):
    assign_perm("view_workflow", colleague, made)
    assign_perm("change_workflow", colleague, made)
    older, newer = Event.objects.order_by("id")
    page = Page(builder.sample())
    offered = [found["data-choose-sample"] for _, found in page.tags if "data-choose-sample" in found]
    assert offered[:3] == ["newest", f"event:{newer.pk}", f"event:{older.pk}"]
    assert {f"run:{run.pk}" for run in ExecutionRun.objects.all()} <= set(offered)
    assert builder.sample(choose=f"event:{older.pk}").status_code == 200
    rows = builder.rows("last")
    assert "number, 2380, a number" in rows and "assignee, 1 field, a mapping" not in rows
    assert "2380" in builder.preview("last", "inputs.found", "{{ event.payload.number }}")
    assert builder.sample(choose="edited", payload='{"number": 1, "zeta": 2, "alpha": 3}').status_code == 200
    assert {"number, 1, a number", "zeta, sometimes missing, 2, a number"} <= set(builder.rows("last"))
    assert "look" in builder.groups("last")[1].lower() and AuditEntry.objects.filter(verb="sample.edited").count() == 1
    run = ExecutionRun.objects.order_by("id").first()
    assert builder.sample(choose=f"run:{run.pk}").status_code == 200
    assert "number, 2380, a number" in builder.rows("last")
    for bad in (
        {"choose": "event:nonsense"},
        {"choose": f"event:{run.pk}"},
        {"choose": "everything"},
        {"choose": "edited", "payload": "{"},
        {"choose": "edited", "payload": "null"},
        {"choose": "edited", "payload": "NaN"},
        {"choose": "edited", "payload": '"\\ud800"'},
        {"choose": "edited", "payload": '"\\u0000"'},
        {"choose": "edited", "payload": '{"nul": "\\u0000"}'},
        {"choose": "edited", "payload": "[" * 100_000},
        {"choose": "edited", "payload": json.dumps("x" * 200_001)},
    ):
        answer = builder.sample(**bad)
        assert answer.status_code == 422 and Page(answer).all(role="alert"), bad
    assert ChosenSample.objects.get().run == run.pk, "what was refused has changed nothing"
    assert builder.sample(choose="newest").status_code == 200
    assert "number, 2381, a number" in builder.rows("last")
    Event.objects.all().delete()


@pytest.mark.extended
def test_whoever_may_not_see_payloads_sees_names_alone(builder, made, ran, sign_in, colleague):
    assign_perm("view_workflow", colleague, made)
    assign_perm("change_workflow", colleague, made)
    theirs = Picker(sign_in(colleague), made)
    shown = theirs.client.get(theirs.url("builder_data", "last")).content.decode()
    shown += theirs.client.get(theirs.url("builder_data", "last"), {"q": "a"}).content.decode()
    shown += theirs.client.get(
        theirs.url("builder_data", "last"), {"open": '["event", "payload", "user"]', "level": 2}
    ).content.decode()
    shown += theirs.preview("last", "inputs.found", "{{ event.payload.number }} {{ steps.look.output.title }}")
    shown += theirs.sample().content.decode()
    assert not any(str(secret) in shown for secret in (2381, "ada", "urgent", "alan"))
    assert "Names and types only" in shown and "View payloads permission" in shown
    assert "title, any value" in theirs.rows("last", open='["steps", "look", "output"]', level=1)
    assert "There is no filter" in theirs.preview("last", "inputs.found", "{{ 1 | uper }}")
    assert theirs.sample(choose="newest").status_code == 403
    assert not ChosenSample.objects.exists()


@pytest.mark.extended
def test_a_hostile_sample_is_text(builder, made):
    hostile = {
        "<script>alert(1)</script>": "</textarea><script>alert(2)</script>",
        "onclick": '" onfocus="alert(3)" autofocus x="',
        "{{ 7 * 7 }}": "{{ 7 * 7 }}{% raw %}",
        "\u202ereversed": "\u202e\u200b",
        "list": [{"'\"><img src=x onerror=alert(4)>": "{{ config }}"}],
    }
    assert builder.sample(choose="edited", payload=json.dumps(hostile)).status_code == 200
    pages = [
        builder.client.get(builder.url("builder_data", "last")),
        builder.client.get(builder.url("builder_data", "last"), {"q": "a"}),
        builder.client.get(
            builder.url("builder_data", "last"), {"open": '["event", "payload", "list", 0]', "level": 3}
        ),
        builder.sample(),
        builder.client.post(
            builder.url("builder_preview", "last"), {"name": "x", "text": "{{ event.payload }}", "id": '"><b>'}
        ),
        builder.client.post(
            builder.url("builder_preview", "last"), {"name": "x", "text": '{{ event.payload["{{ 7 * 7 }}"] }}'}
        ),
    ]
    for answer in pages:
        page = Page(answer)
        assert page.status == 200
        assert not {tag for tag, _ in page.tags} & {"script", "img", "b"} - {"b"}
        assert not [name for _, found in page.tags for name in found if name.startswith("on") or name == "autofocus"]
    assert "{{ 7 * 7 }}" in pages[-1].content.decode() and "49" not in Page(pages[-1]).text
    rows = builder.rows("last")
    for row in rows.values():
        assert "alert" not in row["data-insert"] or compile_template(row["data-insert"]).paths


@pytest.mark.extended
def test_a_large_draft_with_a_large_sample(owner, sign_in, django_assert_max_num_queries):
    """220 steps and a payload of 200 kB: one tenth of a second, and a bounded number of questions."""
    made = workflows.save_definition(parse(large_workflow()), owner=owner)
    builder = Picker(sign_in(owner), made)
    text = json.dumps({f"key_{n}": {"text": "x" * 360, "list": list(range(20))} for n in range(420)})
    assert 180_000 < len(text) < 200_000
    assert builder.sample(choose="edited", payload=text).status_code == 200
    for query in ({}, {"q": "xx"}, {"open": '["event", "payload"]', "level": "1"}):
        builder.data("branch_210", **query)  # templates are compiled once a process
        with django_assert_max_num_queries(20):
            answer = builder.client.get(builder.url("builder_data", "branch_210"), query)
        assert answer.status_code == 200 and len(answer.content) < 400_000
        spent = cost(lambda query=query: builder.client.get(builder.url("builder_data", "branch_210"), query))
        assert spent < 40 * unit(), "ten, on a machine of its own"


APPROVED = """
name: Approved
slug: approved
triggers: [{endpoint: github, event: issues}]
steps:
  - {key: ask, action: http.request, inputs: {url: "https://api.example.com"}}
  - kind: approval
    key: approve
    name: Approve
    assignees: [owner]
    timeout: 2d
    form: [{name: reason, label: Reason}]
  - {key: tell, action: data.log, inputs: {message: ''}}
"""


def test_what_has_no_sample_yet_is_not_called_missing(workflow, sign_in, owner, deliver, drain):
    builder = Picker(sign_in(owner), workflow(APPROVED, publish=False))
    came_to("github", type="issues", payload=ISSUE)
    offered = builder.rows("tell", q="reason")
    assert [found["data-insert"] for found in offered.values()] == ["{{ steps.approve.output.form.reason }}"]
    hint = "No sample yet for steps.approve.output.form.reason."
    assert hint in builder.preview("tell", "inputs.message", "Why: {{ steps.approve.output.form.reason }}")
    assert "No sample yet" in builder.preview("tell", "inputs.message", "{{ steps.ask.output.body.id }}")
    for text in ("{{ steps.approve.output.form.raeson }}", "{{ event.payload.titel }}", "{{ steps.nope.output }}"):
        shown = builder.preview("tell", "inputs.message", text)
        assert "No sample yet" not in shown and re.search("Did you mean|Available|no names here", shown), text


LOOP = """
name: Each
slug: each
triggers: [{endpoint: github}]
steps:
  - kind: for_each
    key: each
    items: '{{ event.payload.tags }}'
    steps:
      - {key: look, action: data.set, inputs: {seen: '{{ item }}'}}
      - {key: last, action: data.set, inputs: {message: x}}
"""


def test_in_a_loop_a_preview_shows_item_and_outputs_of_one_item(workflow, sign_in, owner, deliver, drain):
    builder = Picker(sign_in(owner), workflow(LOOP))
    deliver(ISSUE)
    drain()
    assert ExecutionRun.objects.get().status == "succeeded"
    shown = builder.preview("last", "inputs.message", "{{ item }} is {{ steps.look.output.seen }}")
    assert "a is a" in shown and "a is b" not in shown


def test_a_stop_offers_no_data(workflow, sign_in, owner):
    steps = (
        "[{kind: branch, key: route, arms: [{key: a, when: {var: event.type}, steps:"
        " [{key: note, action: data.set}, {kind: stop, key: end}]}]}, {key: last, action: data.set}]"
    )
    picker = Picker(sign_in(owner), workflow(f"{{name: S, slug: s, triggers: [{{endpoint: github}}], steps: {steps}}}"))
    groups = " ".join(picker.groups("last"))
    assert "Note" in groups and "End" not in groups
