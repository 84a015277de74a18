"""Conditions in the builder: rows and rules say the same, each change is a command, and a sample says what they come to."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from django.utils import timezone
from guardian.shortcuts import assign_perm
from hypothesis import given
from hypothesis import strategies as st

from automate_core.expressions.json_logic import read_rule
from automate_core.models import DraftCommand, Step, Trigger
from automate_ui import describe
from automate_ui.condition_rows import (
    GROUPS,
    MAX_GROUPS_DEEP,
    OPERATORS,
    ConditionGroup,
    ConditionRow,
    read_form,
    rows_from_rule,
    rule_from_rows,
)
from tests.support.builder import Builder
from tests.support.pages import Page
from tests.support.workflows import TRIAGE

# --- rows and rules ---------------------------------------------------------------------------------------------------

FIELDS = ["event.payload.action", "event.payload.count", "event.payload.labels", "steps.look.output.title", "vars.x"]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(["10", " a", "null", '"x"', "{{ x }}", "now", "now -2h", "a, b", "[1]", "\n", "{{x}"]),
)
VARIABLES = st.sampled_from(FIELDS).map(lambda name: {"var": name})


def _values(takes):
    if takes == "list":
        return st.lists(SCALARS, max_size=4) | VARIABLES
    if takes == "time":
        return SCALARS | VARIABLES | st.sampled_from([{"now": []}, {"now": "-2h"}, {"now": "1d"}])
    return st.sampled_from(["^a", "b+$", "{{", "10"]) if takes == "text" else SCALARS | VARIABLES


@st.composite
def rows(draw):
    """The rule of one row."""
    operator = OPERATORS[draw(st.sampled_from(sorted(OPERATORS)))]
    field = draw(VARIABLES)
    rule = {operator.rule: [field, draw(_values(operator.takes))] if operator.takes else field}
    return {"!": rule} if operator.negated else rule


def groups(depth):
    parts = rows() if depth == 1 else rows() | groups(depth - 1)
    return st.tuples(st.sampled_from(["and", "or"]), st.lists(parts, min_size=1, max_size=4)).map(
        lambda made: {made[0]: made[1]}
    )


def exact(value):
    return json.dumps(value)


def posted(group, prefix=""):
    """A group as its form sends it."""
    fields = {f"{prefix}join": group.join}
    for at, part in enumerate(group.parts):
        here = f"{prefix}{at}."
        if isinstance(part, ConditionGroup):
            fields |= posted(part, here)
        else:
            fields |= {f"{here}field": part.field, f"{here}operator": part.operator, f"{here}value": part.value}
    return fields


@pytest.mark.extended
@given(rows() | groups(MAX_GROUPS_DEEP))
def test_a_rule_made_of_rows_comes_back_as_it_was(rule):
    group = rows_from_rule(rule)
    assert group is not None
    back = rule_from_rows(group)
    assert exact(back) == exact(rule) or back == rule["and"][0], "one row that all have to hold stands for itself"
    assert rows_from_rule(back) == group
    assert rule_from_rows(read_form(posted(group))) == back, "the form has all of it"


@pytest.mark.extended
@given(
    st.recursive(
        SCALARS | VARIABLES | rows(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.tuples(
                st.sampled_from(["and", "or", "!", "!!", "==", "in", "exists", "any", "if"]), st.lists(inner)
            ).map(lambda made: {made[0]: made[1]})
        ),
        max_leaves=8,
    ),
    st.fixed_dictionaries(
        {"action": SCALARS, "count": SCALARS, "labels": st.lists(SCALARS, max_size=3) | SCALARS},
    ),
)
def test_any_rule_is_either_json_or_says_the_same_as_its_rows(rule, payload):
    group = rows_from_rule(rule)
    if group is None or rule is None:
        return
    scope = {"event": {"payload": payload}, "steps": {}, "vars": {"x": 1}}
    assert read_rule(rule_from_rows(group)).holds(scope) is read_rule(rule).holds(scope)
    assert rows_from_rule(rule_from_rows(group)) == group


@given(st.text(max_size=30), st.sampled_from(sorted(OPERATORS)))
def test_whatever_is_typed_is_a_row(text, operator):
    row = ConditionRow("event.payload.x", operator, text.strip() if OPERATORS[operator].takes else "")
    found = rows_from_rule(rule_from_rows(ConditionGroup("and", (row,))))
    if operator in {"before", "after", "not_before", "not_after", "same_date"} and text.strip().startswith("now"):
        return  # a span is checked where the rule is
    assert found is not None and rule_from_rows(found) == rule_from_rows(ConditionGroup("and", (row,)))


def test_every_operator_can_be_chosen_once():
    assert sorted(name for _, names in GROUPS for name in names) == sorted(OPERATORS)


@pytest.mark.parametrize(
    "rule",
    [
        True,
        [],
        {"and": []},
        {"any": [{"var": "event.payload.labels"}, {"==": [{"var": "name"}, "bug"]}]},
        {"==": [1, 2]},
        {"==": [{"var": "a"}, {"<": [1, 2]}]},
        {"==": [{"var": ["a", "default"]}, 1]},
        {"!": {"and": [{"exists": {"var": "a"}}]}},
        {"<": [{"var": "a"}, 1, 2]},
        {"and": {"exists": {"var": "a"}}},
        {"and": [{"and": [{"and": [{"and": [{"and": [{"exists": {"var": "a"}}]}]}]}]}]},
    ],
)
def test_what_is_not_made_of_rows_is_json(rule):
    assert rows_from_rule(rule) is None


# --- in the builder ---------------------------------------------------------------------------------------------------

LOOPING = """
name: Looping
slug: looping
triggers: [{endpoint: github, filter: {any: [{var: event.payload.labels}, {'==': [{var: name}, bug]}]}}]
steps:
  - {key: first, action: data.set, inputs: {n: 1}}
  - kind: repeat
    key: again
    maximum: 3
    until: {'==': [{var: steps.inner.output.n}, 2]}
    steps: [{key: inner, action: data.set, inputs: {n: '{{ index }}'}}]
"""


@pytest.fixture
def builder(workflow, sign_in, owner):
    return Builder(sign_in(owner), workflow(TRIAGE))


def send(builder, path, **fields):
    """Post a condition's form with the revision that its panel shows."""
    key = fields.get("trigger", path.rpartition("/")[2])
    fields["rev"] = fields.get("rev") or builder.panel(path).ids[f"rev-{key}"]["value"]
    return builder.client.post(builder.url("builder_condition", path), fields)


def arm(index=0):
    return Step.objects.get(key="route").settings["arms"][index]["when"]


def form_of(page, prefix):
    """What the rows of a condition show, by name."""
    shown = {}
    for tag, attributes in page.tags:
        if tag == "input" and attributes.get("id", "").startswith(f"{prefix}-"):
            shown[attributes["name"]] = attributes["value"]
    return shown


pytestmark = pytest.mark.django_db(transaction=True)


def test_a_route_is_shown_as_rows_with_a_sentence(builder):
    page = builder.panel("route")
    assert form_of(page, "condition-route-bug") == {"0.field": "steps.look.output.title", "0.value": "bug"}
    assert "Title is bug" in page.text
    options = {attributes["data-value"] for _, attributes in page.tags if attributes.get("role") == "option"}
    assert {"steps.look.output", "event.payload", "event.type"} <= options
    assert not any(option.startswith(("steps.tell", "steps.last", "steps.risky")) for option in options)


@pytest.mark.extended
def test_each_change_is_one_command(builder):
    row = {"join": "and", "0.field": "event.payload.count", "0.operator": "more", "0.value": "10"}
    answer = send(builder, "route", arm="bug", **row)
    page = Page(answer)
    assert answer.status_code == 200 and arm() == {">": [{"var": "event.payload.count"}, 10]}
    assert DraftCommand.objects.get().words == "Changed the condition of Bug in Route"
    assert {"flow", "draft-state", "problems", "condition-route-bug", "rev-route"} <= set(page.ids)
    assert "arm-bug-name" not in page.ids, "what somebody may be typing in is left alone"
    assert "Count is more than 10" in page.text and arm(1) == {"==": [{"var": "steps.look.output.title"}, "question"]}
    builder.do("undo", last=builder.state()["data-last"])
    assert arm() == {"==": [{"var": "steps.look.output.title"}, "bug"]}


@pytest.mark.matrix
@pytest.mark.parametrize(("operator", "is_missing"), [("more", True), ("before", True), ("is", False)])
def test_a_number_or_a_time_is_compared_with_something(builder, operator, is_missing):
    row = {"0.field": "event.type", "0.operator": operator, "0.value": ""}
    page = Page(send(builder, "route", arm="bug", join="and", **row))
    assert ("One row has no value." in page.text) is ("1 to fill in" in page.text) is is_missing
    assert ("data-missing" in page.ids["condition-route-bug-why"]) is is_missing


@pytest.mark.extended
def test_rows_and_groups_come_and_go(builder):
    row = {"0.field": "event.type", "0.operator": "one_of", "0.value": "a, b"}
    page = Page(send(builder, "route", arm="bug", join="and", act="add:", **row))
    empty = {"==": [{"var": ""}, ""]}
    first = {"in": [{"var": "event.type"}, ["a", "b"]]}
    assert arm() == {"and": [first, empty]}
    assert "One row has no field." in page.text and "1 to fill in" in page.text
    told = page.ids["condition-route-bug-why"]
    assert "data-missing" in told and "role" not in told, "the script complains once the row was left"
    row |= {"1.field": "event.type", "1.operator": "exists"}
    send(builder, "route", arm="bug", join="or", act="group:", **row)
    assert arm() == {"or": [first, {"exists": {"var": "event.type"}}, {"and": [empty]}]}
    inner = {"2.join": "and", "2.0.field": "event.source", "2.0.operator": "contains", "2.0.value": '"10"'}
    page = Page(send(builder, "route", arm="bug", join="or", act="add:2", **row, **inner))
    assert arm()["or"][2] == {"and": [{"contains": [{"var": "event.source"}, "10"]}, empty]}
    assert form_of(page, "condition-route-bug")["2.0.value"] == '"10"'
    assert "Type is in a, b or type exists or (source contains 10 and" in page.text
    send(builder, "route", arm="bug", join="or", act="remove:2.0", **row, **inner)
    assert arm() == {"or": [first, {"exists": {"var": "event.type"}}]}, "a group without rows goes too"
    send(builder, "route", arm="bug", join="and", act="remove:0", **{"0.field": "x", "0.operator": "exists"})
    assert arm() is None


@pytest.mark.extended
def test_json_is_the_experts_view(builder):
    rule = {"any": [{"var": "event.payload.labels"}, {"==": [{"var": ""}, "bug"]}]}
    page = Page(send(builder, "route", arm="bug", json=json.dumps(rule)))
    assert arm() == rule and "cannot be shown as rows" in page.text and "No problems" in page.text
    assert form_of(page, "condition-route-bug") == {}
    answer = send(builder, "route", arm="bug", json="{nope")
    assert answer.status_code == 422 and "Invalid JSON" in answer.content.decode() and arm() == rule
    page = Page(send(builder, "route", arm="bug", json='{"matches": [{"var": "event.type"}, "("]}'))
    assert "Invalid pattern" in page.text and page.ids["condition-route-bug-why"]["role"] == "alert"
    send(builder, "route", arm="bug", act="rows")
    assert arm() == {"==": [{"var": ""}, ""]}


@pytest.mark.extended
def test_a_filter_and_the_end_of_a_loop(workflow, sign_in, owner):
    builder = Builder(sign_in(owner), workflow(LOOPING))
    assert "cannot be shown as rows" in builder.panel("~trigger").text
    answer = send(builder, "~trigger", trigger="webhook", json="")
    assert answer.status_code == 200 and Trigger.objects.get().filter is None
    assert "No condition: every event matches" in builder.panel("~trigger").text
    row = {"join": "and", "0.field": "event.payload.draft", "0.operator": "true_not"}
    assert send(builder, "~trigger", trigger="webhook", **row).status_code == 200
    assert Trigger.objects.get().filter == {"!": {"var": "event.payload.draft"}}
    page = builder.panel("again")
    assert form_of(page, "condition-again-until") == {"0.field": "steps.inner.output.n", "0.value": "2"}
    assert "field-until" not in page.ids and "field-maximum" in page.ids
    row = {
        "join": "and",
        "0.field": "steps.first.output.n",
        "0.operator": "is",
        "0.value": "{{ steps.inner.output.n }}",
    }
    assert send(builder, "again", field="until", **row).status_code == 200
    names = [{"var": f"steps.{key}.output.n"} for key in ("first", "inner")]
    assert Step.objects.get(key="again").settings["until"] == {"==": names}
    page = Page(send(builder, "again", field="until", json=""))
    assert "1 to fill in" in page.text and page.ids["condition-again-until-why"]["data-missing"] == "error"


@pytest.mark.extended
def test_the_newest_event_says_what_a_filter_comes_to(builder, deliver):
    assert (
        "No event yet."
        in Page(send(builder, "~trigger", trigger="webhook", json='{"==": [{"var": "event.payload.n"}, 2]}')).text
    )
    deliver({"n": 1, "labels": [{"name": "bug"}], "odd.key": 1})
    deliver({"n": 9}, event="push")
    page = builder.panel("~trigger")
    assert "False" in page.text and "N is 2 was 1" in " ".join(page.text.split())
    options = {attributes["data-value"] for _, attributes in page.tags if attributes.get("role") == "option"}
    assert {"event.payload.labels", "event.payload.labels.0.name", "event.payload.n"} <= options
    assert not any("odd" in str(option) for option in options)
    rule = {"or": [{"==": [{"var": "event.payload.n"}, 2]}, {"starts_with": [{"var": "event.type"}, "iss"]}]}
    page = Page(send(builder, "~trigger", trigger="webhook", json=json.dumps(rule)))
    said = " ".join(page.text.split())
    assert "True Sample: newest event, webhook:github issues" in said
    assert 'Any of these False: N is 2 was 1 True: Type starts with iss was "issues"' in said


def test_the_newest_run_says_what_a_route_comes_to(builder, deliver, drain):
    deliver({"title": "bug", "labels": []})
    drain()
    page = builder.panel("route")
    said = " ".join(page.text.split())
    assert "True Sample: newest event and run, webhook:github issues" in said and 'Title is bug was "bug"' in said
    options = {attributes["data-value"] for _, attributes in page.tags if attributes.get("role") == "option"}
    assert "steps.look.output.title" in options


IN_A_LOOP = """
name: In a loop
slug: in-a-loop
triggers: [{endpoint: github, event: issues}]
steps:
  - kind: for_each
    key: each
    items: '{{ event.payload.lines }}'
    steps:
      - kind: branch
        key: dear
        arms: [{key: yes, name: Dear, when: {'>': [{var: item.price}, 100]}}]
"""


def test_a_condition_in_a_loop_offers_the_current_item(workflow, sign_in, owner, deliver):
    builder = Builder(sign_in(owner), workflow(IN_A_LOOP))
    options = [each["data-value"] for each in builder.panel("each/dear").all(role="option")]
    assert "item" in options and "index" in options, "before the first event"
    deliver({"lines": [{"price": 120, "about": {"name": "Chair"}}]}, event="issues")
    page = builder.panel("each/dear")
    options = [each["data-value"] for each in page.all(role="option")]
    assert {"item", "index", "item.price", "item.about.name"} <= set(options)
    assert "Current item: price" in page.text and "Price is more than 100 was 120" in page.text


def test_a_deleted_step_is_named_where_something_still_refers_to_it(builder, owner):
    builder.do("rename", key="look", name="Read the issue")
    builder.do("delete", key="look")
    page = builder.panel("route")
    assert "Read the issue (deleted): title" in page.text, [t for t in page.tags if "steps.look" in str(t)]
    said = "steps.look.output.title: the step Read the issue was deleted. Choose another value."
    assert said in builder.open().text and said in Page(builder.client.get(builder.url("review"))).text
    DraftCommand.objects.all().delete()
    assert "the step Look was deleted" in builder.open().text, "as the published version knows it"


def test_a_condition_on_an_untested_step_has_no_result(builder, deliver):
    deliver({"title": "bug", "labels": []})
    said = " ".join(builder.panel("route").text.split())
    assert "Not known: title of Look was not tested." in said and "False" not in said


@pytest.mark.extended
def test_payloads_are_for_those_who_may_see_them(builder, deliver, drain, sign_in, colleague):
    deliver({"title": "hush-hush", "labels": []})
    drain()
    for verb in ("view_workflow", "change_workflow"):
        assign_perm(verb, colleague, builder.workflow)
    theirs = Builder(sign_in(colleague), builder.workflow)
    for path in ("route", "~trigger"):
        page = theirs.panel(path)
        assert "hush-hush" not in str(page.tags) + page.text and "event.payload.title" not in str(page.tags)
    assert "View payloads permission" in theirs.panel("route").text
    assign_perm("view_payload_workflow", colleague, builder.workflow)
    assert "hush-hush" in theirs.panel("route").text
    rule = '{"exists": {"var": "event.payload.title"}}'
    answer = send(theirs, "~trigger", trigger="webhook", json=rule)
    assert answer.status_code == 200 and "View payloads permission" in Page(answer).text, "the endpoint is not theirs"


@pytest.mark.matrix
@pytest.mark.parametrize(
    "fields",
    [
        {"arm": "nope"},
        {"arm": "bug", "act": "explode"},
        {"arm": "bug", "act": "remove:7"},
        {"arm": "bug", "act": "add:0", "join": "and", "0.field": "x", "0.operator": "is"},
        {"arm": "bug", "act": "add:9999999999"},
        {"arm": "bug", "join": "xor"},
        {"arm": "bug", "join": "and", "0.field": "x", "0.operator": "nope"},
        {"arm": "bug", "join": "and", "0.field": "x" * 2_000},
        {"arm": "bug", "join": "and", "0.field": "\0"},
        {"arm": "bug", "json": "[" * 10_000},
        {"arm": "bug", "json": "NaN"},
        {"trigger": "nope", "json": "true", "rev": "1"},
        {"join": "and"},
    ],
)
def test_requests_that_make_no_sense_are_answered(builder, fields):
    answer = send(builder, "route", **{"rev": builder.panel("route").ids["rev-route"]["value"], **fields})
    assert answer.status_code == 422 and DraftCommand.objects.count() == 0


def test_an_example_of_ones_own_has_no_time(builder):
    example = {"choose": "edited", "payload": '{"title": "bug"}'}
    assert builder.client.post(builder.url("builder_sample"), example).status_code == 200
    send(builder, "route", arm="bug", **{"join": "and", "0.field": "event.payload.title", "0.operator": "exists"})
    text = builder.panel("route").text
    assert "Sample: custom payload" in text and "Never" not in text


def test_another_ones_change_is_shown_first(builder):
    rev = builder.panel("route").ids["rev-route"]["value"]
    row = {"join": "and", "0.field": "event.type", "0.operator": "exists"}
    assert send(builder, "route", arm="bug", **row).status_code == 200
    DraftCommand.objects.update(changed_at=timezone.now() - dt.timedelta(minutes=1))  # not what they type just now
    answer = send(builder, "route", arm="bug", rev=rev, act="add:", **row)
    again = {attributes["name"]: attributes["value"] for tag, attributes in Page(answer).tags if tag == "input"}
    assert answer.status_code == 409 and again["0.field"] == "event.type"
    assert builder.client.post(builder.url("builder_condition", "route"), again).status_code == 200
    assert len(arm()["and"]) == 2


def test_hostile_samples_and_rules_are_inert(builder, deliver):
    hostile = "</option></textarea><script>window.hacked=1</script>\u202e"
    deliver({"title": hostile, hostile: 1})
    rule = {"==": [{"var": "event.payload.title"}, hostile]}
    answer = send(builder, "~trigger", trigger="webhook", json=json.dumps(rule))
    assert answer.status_code == 200
    for shown in (answer, builder.client.get(builder.url(), {"step": "~trigger"})):
        assert "<script>window" not in shown.content.decode()


def test_numbers_are_not_called_true_or_false():
    said = [
        describe.describe_condition({"==": [{"var": "event.payload.n"}, value]}) for value in (0, 1, False, True, None)
    ]
    assert said == ["n is 0", "n is 1", "n is false", "n is true", "n is nothing"]


def test_an_empty_value_is_named():
    said = [describe.describe_condition({how: [{"var": "event.payload.n"}, ""]}) for how in ("==", "!=", "contains")]
    assert said == ["n is (empty)", "n is not (empty)", "n contains (empty)"]
