"""The fields of a panel over HTTP: what each kind draws, and the value that its form stores."""

from __future__ import annotations

import pytest

from automate_authoring import workflows
from automate_core.models import Step
from tests.support.builder import Builder
from tests.support.pages import Page

pytestmark = pytest.mark.django_db(transaction=True)

FIELDS = """
name: Fields
slug: fields
triggers: [{kind: manual}]
steps:
  - {key: values, action: data.set, inputs: {title: Hello, count: 3, flag: true, tags: [a], more: {x: 1}, any: null}}
  - {key: ask, action: http.request, inputs: {url: "https://api.example.com", headers: {X-A: "1"}}}
  - {key: keep, action: data.filter, inputs: {items: '{{ event.payload.lines }}', where: [{field: total, op: '>', value: 5}]}}
  - {key: group, action: data.aggregate, inputs: {items: '{{ event.payload.lines }}', measures: {revenue: sum total}}}
  - {key: mail, action: email.send, inputs: {to: [ann@example.com], subject: Hi, text: Hello}}
  - {kind: wait, key: pause, until: '2026-12-24T18:00'}
  - {kind: approval, key: approve, assignees: [owner], timeout: 2d}
  - {kind: for_each, key: each, items: '{{ event.payload.lines }}', steps: [{key: note, action: data.set}]}
"""


@pytest.fixture
def builder(workflow, sign_in, owner):
    return Builder(sign_in(owner), workflow(FIELDS, publish=False))


def inputs(key):
    return Step.objects.get(key=key).inputs


def rows(name, /, **columns):
    return {f"{name}::rows": "1", **{f"{name}::{column}": texts for column, texts in columns.items()}}


def test_each_kind_has_its_control(builder):
    page = builder.panel("values")
    kinds = {name: (tag, found.get("type")) for tag, found in page.tags if (name := found.get("name"))}
    assert kinds["inputs.title"] == ("textarea", None) and kinds["inputs.count"] == ("input", "text")
    assert kinds["inputs.flag"] == ("input", "text"), "the last of that name is the expression, in its template"
    assert {"inputs.tags::item", "inputs.more::key", "inputs.more::value", "inputs.more::type"} <= kinds.keys()
    assert page.all(data_rename_value="title") and page.all(data_add_value="values")
    assert builder.panel("pause").all(name="until", type="datetime-local", value="2026-12-24T18:00")
    http = builder.panel("ask")
    assert http.ids["field-inputs-url"]["aria-describedby"] == "field-inputs-url-why"
    assert "More options" in http.text and not http.all(data_add_value="ask")
    folded = http.text.partition("More options")[2]
    assert "Query" in folded and "Headers" not in folded, "what is filled in is not folded away"
    assert http.all(role="tab", aria_controls="step-errors") and "Waits are randomised" in http.text


def _asked(page):
    """The fields of a panel that depend on a choice, and are shown."""
    return {found["data-field"] for _, found in page.tags if found.get("data-when") and "hidden" not in found}


def test_the_kind_of_a_body_is_a_choice_as_soon_as_the_method_has_one(builder):
    assert _asked(builder.panel("ask")) == set(), "a GET has no body"
    assert builder.save("ask", **{"inputs.method": "POST"}).status_code == 200
    page = builder.panel("ask")
    assert _asked(page) == {"inputs.body_type"} and "Form fields" not in page.text.partition("More options")[2]
    builder.save("ask", **{"inputs.body_type": "form"})
    assert _asked(builder.panel("ask")) == {"inputs.body_type", "inputs.form", "inputs.files"}
    Step.objects.filter(key="ask").update(inputs={"url": "/", "json": {"a": 1}, "body": ""})
    assert _asked(builder.panel("ask")) == {"inputs.body_type", "inputs.json"}, "what is set is what was chosen"
    assert builder.save("ask", **{"inputs.body_type": "json", "inputs.url": "/x"}).status_code == 200
    assert inputs("ask") == {"url": "/x", "json": {"a": 1}, "body": ""}, "nothing is stored that nobody chose"
    Step.objects.filter(key="ask").update(inputs={"url": "/", "method": "{{ event.payload.verb }}"})
    assert _asked(builder.panel("ask")) == {"inputs.body_type"}


def test_a_file_is_the_one_of_an_earlier_step(builder):
    page = builder.panel("ask")
    assert page.ids["field-inputs-file"]["data-takes-expression"], "nothing is typed but where it comes from"
    assert builder.save("ask", **{"inputs.file": "{{ event.payload.photo }}"}).status_code == 200
    assert inputs("ask")["file"] == "{{ event.payload.photo }}"
    shown = builder.client.get(builder.url("builder_step", "ask")).content.decode()
    assert "{{ event.payload.photo }}" in shown.partition("field-inputs-file")[2]
    builder.save("ask", **{"inputs.file": "photo.png"})
    assert "File body must be a file" in builder.panel("ask").text


def test_a_list_that_is_typed_for_a_loop_is_a_list(builder):
    def items():
        return Step.objects.get(key="each").settings["items"]

    typed = '[{"customer": "A", "amount": 1200.5}, "{{ event.payload.line }}"]'
    assert builder.save("each", items=typed).status_code == 200
    assert items() == [{"customer": "A", "amount": 1200.5}, "{{ event.payload.line }}"]
    page = builder.panel("each")
    assert "For each needs a list" not in page.text and '"amount": 1200.5' in page.text, "shown as it is typed"
    assert "remove the comma before ]" in builder.save("each", items="[1, 2,]").content.decode()
    builder.save("each", items="{{ event.payload.lines }}")
    assert items() == "{{ event.payload.lines }}"
    builder.save("each", items="event.payload.lines")
    assert "For each needs a list, or an expression that returns one." in builder.panel("each").text


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("path", "fields", "name", "value"),
    [
        ("values", {"inputs.count": "2.5"}, "count", 2.5),
        ("values", {"inputs.flag": "off"}, "flag", False),
        ("values", {"inputs.flag": "{{ event.payload.on }}"}, "flag", "{{ event.payload.on }}"),
        ("values", {"inputs.any": '{"a": [1]}'}, "any", {"a": [1]}),
        ("values", {"inputs.any": "just words"}, "any", "just words"),
        ("values", rows("inputs.tags", item=["b", "", " a "]), "tags", ["b", "a"]),
        ("values", rows("inputs.tags"), "tags", []),
        (
            "values",
            rows("inputs.more", key=["a", "b", "", "c"], value=["1", "2", "", "{{ x }}"], type=["text", "number", "text", "json"]),
            "more",
            {"a": "1", "b": 2, "c": "{{ x }}"},
        ),
        ("ask", {"inputs.method": "{{ event.payload.method }}"}, "method", "{{ event.payload.method }}"),
        ("mail", {"inputs.to": "bob@example.com"}, "to", "bob@example.com"),
        (
            "keep",
            rows("inputs.where", field=["total", "state", ""], op=["==", "in", "=="], value=["7", '["a", "b"]', ""]),
            "where",
            [{"field": "total", "value": 7}, {"field": "state", "op": "in", "value": ["a", "b"]}],
        ),
        (
            "group",
            rows("inputs.measures", function=["sum", "count", "count"], field=["total", "", ""], name=["revenue", "orders", ""]),
            "measures",
            {"revenue": "sum total", "orders": "count"},
        ),
    ],
)  # fmt: skip
def test_values_are_read_as_their_kind(builder, path, fields, name, value):
    before = inputs(path)
    assert builder.save(path, **fields).status_code == 200
    assert inputs(path) == {**before, name: value}


def test_measures_are_rows_of_function_field_and_name(builder):
    page = builder.panel("group")
    cells = [page.all(name=f"inputs.measures::{column}")[0] for column in ("field", "name")]
    assert [cell["value"] for cell in cells] == ["total", "revenue"]
    assert page.all(value="sum", selected="") and not page.all(name="inputs.measures::type")
    untouched = rows("inputs.measures", function=["sum"], field=["total"], name=["revenue"])
    assert builder.save("group", **untouched).status_code == 200
    assert inputs("group")["measures"] == {"revenue": "sum total"}


@pytest.mark.parametrize("measures", [{"n": "median total"}, {"n": 5}, {"n": "{{ vars.how }}"}, {"n": " sum  total"}])
def test_measures_that_no_row_can_show_are_edited_as_json(builder, measures):
    Step.objects.filter(key="group").update(inputs={"items": [], "measures": measures})
    page = builder.panel("group")
    assert page.all(name="inputs.measures") and not page.all(name="inputs.measures::name")


@pytest.mark.extended
def test_a_lone_expression_is_replaced_by_a_value_of_any_type(builder):
    def save(text, kind):
        assert builder.save("values", **{"inputs.title": text, "inputs.title::drawn": kind}).status_code == 200
        return inputs("values")["title"]

    assert save("{{ event.payload.amount }}", "long_text") == "{{ event.payload.amount }}"
    page = builder.panel("values")
    assert page.all(role="group", aria_label="title: value or expression") and page.all(
        name="inputs.title", type="text"
    )
    assert [found["value"] for found in page.all(name="inputs.title::drawn", type="hidden")] == ["json"]
    assert len(page.all(name="inputs.title::drawn")) == 2, "the other one chooses the type of a value"
    assert save("Re: {{ event.payload.amount }}", "json") == "Re: {{ event.payload.amount }}"
    assert save("{{ event.payload.amount }}", "json") == "{{ event.payload.amount }}"
    assert save("0.5", "number") == 0.5
    assert save("0.5", "text") == "0.5", "the same text, of another type"
    assert save("yes", "boolean") is True
    assert save("{{ run.id }}", "boolean") == "{{ run.id }}"
    assert save("", "json") == "", "no empty JSON in place of a text"


@pytest.mark.extended
def test_a_callback_is_signed_by_a_scheme_of_webhooks(builder):
    for fields in (
        {"wait_for": "callback"}, {"timeout": "1h"}, {"scheme": "stripe"}, {"secret": "database:stripe"},
        rows("scheme_config", key=["tolerance"], value=["1"], type=["text"]),
    ):  # fmt: skip
        assert builder.save("pause", **fields).status_code == 200, fields
    settings = Step.objects.get(key="pause").settings
    assert (settings["callback"], settings["scheme"], settings["secret"]) == (True, "stripe", "database:stripe")
    assert "Stripe has no such settings. Remove tolerance" in builder.panel("pause").text


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("path", "fields", "said"),
    [
        ("values", rows("inputs.more", key=["", ""], value=["", "1"], type=["text", "text"]), "Row 2 needs a name"),
        ("values", rows("inputs.more", key=["a", "a"], value=["", "1"], type=["text", "text"]), "appears twice"),
        ("values", rows("inputs.more", key=["a"], value=["x"], type=["number"]), "a: Enter a number"),
        ("values", rows("inputs.more", key=["a"], value=["x"], type=["boolean"]), "a: Enter true, false"),
        *(
            ("values", {"inputs.count": text, "inputs.count::drawn": "number"}, "Enter a number")
            for text in ("abc", "{")
        ),
        ("values", {"inputs.count": "12,50", "inputs.count::drawn": "number"}, "Did you mean 12.5?"),
        ("values", {"inputs.flag": "abc", "inputs.flag::drawn": "boolean"}, "Enter true, false"),
        ("values", {"inputs.any": '{"a": 1,\n "b": True}'}, "line 2: write true instead of True"),
        ("values", {"inputs.any": "[" * 10_000}, "nested too deeply"),
        ("group", rows("inputs.measures", function=["sum"], field=["a"], name=[""]), "Row 1 needs a name"),
        ("group", rows("inputs.measures", function=["sum"] * 2, field=["a", "b"], name=["x"] * 2), "appears twice"),
        ("keep", rows("inputs.where", field=["a"], op=["in"], value=["[a]"]), "Row 1, Value: line 1: enter a value"),
    ],
)
def test_what_cannot_be_read_is_said_in_plain_words(builder, path, fields, said):
    before = inputs(path)
    answer = builder.save(path, **fields)
    name = next(iter(fields)).partition("::")[0].replace(".", "-")
    page = Page(answer)
    assert answer.status_code == 422 and said in page.text and inputs(path) == before
    assert page.ids[f"field-{name}-why"]["role"] == "alert"


@pytest.mark.extended
def test_a_message_without_text_and_html_is_told_at_its_field(builder):
    builder.save("mail", **{"inputs.text": ""})
    assert "data-missing" in builder.panel("mail").ids["field-inputs-text-why"]
    for page in (builder.panel("mail"), Page(builder.client.get(builder.url("review")))):
        assert "Fill in at least one of these: Text, HTML" in page.text
    builder.save("mail", **{"inputs.html": "<p>{{ event.payload.title }}</p>"})
    assert "Fill in Text" not in builder.panel("mail").text


@pytest.mark.extended
def test_values_of_ones_own_are_added_renamed_and_taken_out(builder):
    def rev():
        return Step.objects.get(key="values").rev

    assert builder.do("edit", key="values", rev=rev(), set='{"inputs.new": []}').status_code == 200
    assert builder.do("rename_input", key="values", rev=rev(), name="title", to="heading").status_code == 200
    assert list(inputs("values")) == ["heading", "count", "flag", "tags", "more", "any", "new"], "where it stood"
    for name, to in (("heading", "count"), ("title", "x"), ("heading", "")):
        assert builder.do("rename_input", key="values", rev=rev(), name=name, to=to).status_code == 422
    assert builder.do("edit", key="values", rev=rev(), unset='["inputs.heading"]').status_code == 200
    assert builder.do("edit", key="values", rev=rev(), unset="[nope").status_code == 422
    builder.do("undo", last=builder.state()["data-last"])
    assert inputs("values")["heading"] == "Hello"


@pytest.mark.extended
def test_what_follows_an_error_is_fields(builder):
    assert builder.save("ask", **{"retry.attempts": "3", "retry.base": "0.5", "timeout": "20"}).status_code == 200
    policy = Step.objects.get(key="ask").policy
    assert policy == {"retry": {"attempts": 3, "base": 0.5}, "timeout": 20}
    page = Page(builder.save("ask", **{"on_error.then": "steps"}))
    assert "flow" in page.ids, "a list of steps stands in the tree now"
    assert Step.objects.get(key="ask").policy["on_error"] == {"steps": []}
    builder.save("ask", **{"on_error.then": "value", "on_error.value": "none"})
    assert Step.objects.get(key="ask").policy["on_error"] == {"value": "none"}
    builder.save("ask", **{"on_error.then": "fail"})
    assert "on_error" not in Step.objects.get(key="ask").policy
    wrong = Page(builder.save("ask", **{"retry.attempts": "99"}))
    assert wrong.ids["field-retry-attempts-why"]["role"] == "alert"
    assert builder.save("approve", **{"on_timeout.then": "steps"}).status_code == 200
    assert Step.objects.get(key="approve").settings["on_timeout"] == []


def test_forms_and_settings_are_rows(builder):
    form = rows(
        "form",
        name=["reason", "how", ""],
        label=["Reason", "", ""],
        kind=["text", "choice", "text"],
        choices=["", "post, mail", ""],
        required=["true", "", ""],
        default=["{{ event.payload.title }}", "mail", ""],
        help=["", "", ""],
    )
    assert "Value to start with" in builder.panel("approve").text
    assert builder.save("approve", **form).status_code == 200
    assert Step.objects.get(key="approve").settings["form"] == [
        {"name": "reason", "label": "Reason", "required": True, "default": "{{ event.payload.title }}"},
        {"name": "how", "kind": "choice", "choices": ["post", "mail"], "default": "mail"},
    ]
    vars_ = rows("vars", key=["limit", "who"], value=["5", "Ann"], type=["number", "text"])
    assert (
        builder.save("~workflow", **vars_, **{"concurrency.limit": "1", "concurrency.policy": "skip"}).status_code
        == 200
    )
    builder.workflow.refresh_from_db()
    definition = workflows.load_definition(builder.workflow)
    assert definition.vars == {"limit": 5, "who": "Ann"} and definition.concurrency.policy == "skip"
    builder.save("~workflow", **{"concurrency.limit": ""})
    builder.workflow.refresh_from_db()
    assert workflows.load_definition(builder.workflow).concurrency is None


def test_a_conflict_keeps_all_rows(builder):
    builder.save("values", notes="theirs")
    answer = builder.save("values", rev="0", **rows("inputs.tags", item=["x", "y"]))
    again = [(found["name"], found["value"]) for tag, found in Page(answer).tags if tag == "input"]
    assert answer.status_code == 409 and [text for name, text in again if name == "inputs.tags::item"] == ["x", "y"]


def test_an_emptied_number_is_not_set_and_can_be_typed_again(builder):
    builder.save("values", **{"inputs.count": "", "inputs.count::drawn": "number"})
    assert "count" not in inputs("values")
    builder.save("values", **{"inputs.count": "7", "inputs.count::drawn": "number"})
    assert inputs("values")["count"] == 7


def test_an_expression_among_named_values_keeps_its_type(builder):
    typed = rows("inputs.more", key=["x"], value=["{{ event.payload.n }}"], type=["number"])
    builder.save("values", **typed)
    assert inputs("values")["more"] == {"x": "{{ event.payload.n }}"}
    page = builder.panel("values")
    chosen = [found["value"] for tag, found in page.tags if tag == "option" and "selected" in found]
    assert "expression" in chosen
    builder.save("values", **rows("inputs.more", key=["x"], value=["{{ event.payload.m }}"], type=["expression"]))
    assert inputs("values")["more"] == {"x": "{{ event.payload.m }}"}


def test_a_number_does_not_go_along_into_an_expression(builder):
    """Data that is inserted would stand before it: `{{ item.quantity }}0`."""
    content = builder.client.get(builder.url("builder_step", "values")).content.decode()
    part = content.partition('id="field-inputs-count"')[2].partition("</template>")[0]
    assert part.count('value="3"') <= 1 and ">3<" not in part


def test_a_site_without_open_models_says_who_opens_them(workflow, sign_in, owner, settings):
    settings.AUTOMATE_MODELS = {}
    made = workflow(
        "name: M\nslug: m\ntriggers: [{kind: manual}]\nsteps: [{key: m, action: models.create, inputs: {model: shop.Order, values: {a: 1}}}]",
        publish=False,
    )
    builder = Builder(sign_in(owner), made)
    answer = builder.client.post(builder.url() + "options/m/", {"field": "inputs.model"})
    text = answer.content.decode()
    assert "A developer lists them in AUTOMATE_MODELS." in text and "Type a value" not in text
    assert 'href="/admin/automate/help/connectors/models/"' in text
