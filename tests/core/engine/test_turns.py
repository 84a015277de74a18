"""Expressions and conditions that cost much on what they get: others go on meanwhile."""

from __future__ import annotations

import psycopg
import pytest

from automate_core import database
from automate_core.definition.document import Concurrency
from automate_core.definition.parsing import parse
from automate_core.engine.program import DecideNode, PureNode, RenderNode, compile_limit
from automate_core.events.search_terms import compile_search_terms
from automate_core.expressions.json_logic import read_rule
from automate_core.expressions.json_path import TemplateError
from automate_core.expressions.templating import NotAtOnceError, compile_value
from automate_core.models import ExecutionRun, RunLog, StepRun
from tests.support.walks import Slow, output

LONG = "ab cd " * 10_000
ITEMS = [{"n": number} for number in range(30_000)]
CALL = "  - {{key: {key}, action: http.request, inputs: {{method: GET, url: '{url}'}}}}\n"
HEAD = "name: {0}\nslug: {0}\ntriggers: [{{endpoint: github, event: {0}}}]\nsteps:\n"


@pytest.mark.extended
@pytest.mark.django_db(transaction=True)
def test_a_long_sequence_of_costly_expressions_lets_others_finish_first(workflow, deliver):
    titles = "{{ event.payload.text" + " | title" * 20 + " }}"
    steps = "".join(f"  - {{key: s{number}, action: data.set, inputs: {{x: '{titles}'}}}}\n" for number in range(300))
    workflow(HEAD.format("costly") + steps)
    workflow(HEAD.format("quick") + "  - {key: a, action: data.set, inputs: {x: '{{ event.payload.text }}'}}")
    deliver({"text": LONG[:2_000]}, event="costly")
    deliver({"text": "short"}, event="quick")
    slow = Slow()
    slow.engine.run_once(slow.outbox.claim_batch(10))
    assert dict(ExecutionRun.objects.values_list("workflow__slug", "status")) == {
        "costly": "running",
        "quick": "succeeded",
    }
    assert StepRun.objects.filter(run__workflow__slug="costly").count() < 300


@pytest.mark.django_db(transaction=True)
def test_a_run_goes_on_where_it_took_breath(publish, run, monkeypatch):
    """Every step is a turn of its own, and nothing is done twice or left out."""
    monkeypatch.setattr("automate_core.engine.run_walker.SECONDS_PER_SLICE", 0)
    publish("""
  - kind: for_each
    key: each
    items: [1, 2]
    concurrency: 2
    steps:
      - kind: branch
        key: which
        arms: [{key: one, when: {'==': [{var: item}, 1]}, steps: [{key: first, action: data.set, inputs: {n: one}}]}]
        otherwise: [{key: second, action: data.set, inputs: {n: two}}]
  - {kind: repeat, key: again, until: {'==': [{var: index}, 1]}, maximum: 3, steps: [{key: in, action: data.set}]}
  - {key: after, action: data.set, inputs: {n: '{{ steps.again.output.count }}'}}
""")
    done = run()
    assert (done.status, output(done, "after")) == ("succeeded", {"n": 2})
    assert not StepRun.objects.filter(attempt__gt=1).exists()
    paths = {"each", "each[0]/which", "each[0]/which/first", "each[1]/which", "each[1]/which/second"}
    assert paths | {"again", "again[0]/in", "again[1]/in", "after"} == set(
        StepRun.objects.values_list("path", flat=True)
    )


AT_ONCE = [
    "{{ event.payload.text }}",  # as it is
    "{{ event.payload.items | length }}",
    "{{ (event.payload.items | first).n | string | upper }}",
    "{{ event.payload.table[event.payload.key] | upper }}",
    "{{ 'there' if event.payload.items is defined else 'not' }}",
    "{{ event.payload.key | upper }}",
]
BESIDE = [
    "{{ event.payload.text | upper }}",
    "{{ event.payload.text }}!",
    "{{ event.payload.items | tojson }}",
    "{{ event.payload.items == [] }}",
    "{{ event.payload.key in event.payload.items }}",
    ["{{ event.payload.most | upper }}", "{{ event.payload.most | lower }}"],
    {"a": "{{ event.payload.key | upper }}", "b": ["{{ event.payload.text | trim }}"]},
]
SCOPE = {
    "event": {
        "payload": {
            "text": LONG,
            "most": LONG[:15_000],
            "items": ITEMS,
            "key": "k",
            "table": {"k": "found", **{f"x{number}": number for number in range(30_000)}},
        }
    }
}


@pytest.mark.parametrize("source", AT_ONCE)
def test_what_takes_no_time_is_had_at_once(source):
    template = compile_value(source)
    assert template.render_at_once(SCOPE) == template.render(SCOPE)


@pytest.mark.parametrize("source", BESIDE, ids=str)
def test_what_works_on_large_values_is_for_a_render_worker(source):
    template = compile_value(source)
    assert template.is_light, "by itself it would be had at once"
    with pytest.raises(NotAtOnceError):
        template.render_at_once(SCOPE)


def test_what_grows_while_it_is_rendered_is_for_a_render_worker():
    grown = "{{ event.payload.most | replace(' ', event.payload.most | truncate(30))" + " | title" * 15 + " }}"
    with pytest.raises(NotAtOnceError):
        compile_value([grown] * 20).render_at_once(SCOPE)


COSTLY = {"any": [{"var": "event.payload.items"}, {"==": [{"var": "n"}, 29_999]}]}


def test_a_costly_condition_is_not_decided_at_once():
    assert read_rule({"==": [{"var": "event.payload.key"}, "k"]}).holds_at_once(SCOPE) is True
    assert read_rule(COSTLY).holds_at_once(SCOPE) is None and read_rule(COSTLY).holds(SCOPE)


@pytest.mark.parametrize("compared", [{"a": {str(n): n for n in range(30_000)}}, [{"a": 1, "b": 2}] * 15_000])
def test_what_mappings_hold_counts_towards_a_conditions_cost(compared):
    assert read_rule({"==": [{"var": "x"}, {"var": "y"}]}).holds_at_once({"x": compared, "y": compared}) is None


@pytest.mark.extended
@pytest.mark.django_db(transaction=True)
def test_costly_conditions_and_expressions_are_left_to_threads(workflow, deliver):
    """A crash between asking and answering loses nothing."""
    workflow(
        HEAD.format("costly")
        + """
  - kind: branch
    key: which
    arms:
      - {key: no, when: {any: [{var: event.payload.items}, {'==': [{var: n}, -1]}]}}
      - key: yes
        when: {any: [{var: event.payload.items}, {'==': [{var: n}, 11999]}]}
        steps: [{key: a, action: data.set, inputs: {x: '{{ event.payload.items | tojson | length }}'}}]
"""
    )
    deliver({"items": ITEMS[:12_000]}, event="costly")
    slow = Slow()
    slow.begin()
    assert [type(call.effect.node) for call in slow.calls] == [DecideNode]
    slow.crash()
    kinds = []
    while slow.calls:
        kinds += [type(call.effect.node) for call in slow.calls]
        slow.perform()
    run = ExecutionRun.objects.get()
    assert kinds == [DecideNode, DecideNode, RenderNode]
    assert (run.status, output(run, "which")) == ("succeeded", {"route": "yes"})
    assert not StepRun.objects.filter(attempt__gt=1).exists()


@pytest.mark.django_db(transaction=True)
def test_a_pure_action_with_much_to_work_on_is_left_to_a_thread(workflow, deliver):
    steps = """
  - key: few
    action: data.filter
    inputs: {items: '{{ event.payload.items }}', where: {n: 7}}
  - {key: said, action: data.log, inputs: {message: '{{ event.payload.text }}'}}
"""
    workflow(HEAD.format("costly") + steps)
    deliver({"items": ITEMS[:9_000], "text": "short"}, event="costly")
    slow = Slow()
    slow.begin()
    assert [type(call.effect.node) for call in slow.calls] == [PureNode]
    slow.crash()
    slow.perform()
    run = ExecutionRun.objects.get()
    assert run.status == "succeeded" and output(run, "few")["items"] == [{"n": 7}]
    assert RunLog.objects.get(run=run).message == "short" and StepRun.objects.count() == 2


FILTERED = """\
name: {0}
slug: {0}
triggers: [{{endpoint: github, event: {1}, filter: {{any: [{{var: event.payload.items}}, {{'==': [{{var: n}}, {2}]}}]}}}}]
steps: [{{key: a, action: data.set}}]
"""


@pytest.mark.extended
@pytest.mark.django_db(transaction=True)
def test_costly_filters_hold_up_no_other_event(workflow, deliver):
    workflow(FILTERED.format("costly", "costly", 29_999))
    workflow(FILTERED.format("never", "costly", -1))
    workflow(HEAD.format("quick") + "  - {key: a, action: data.set}")
    deliver({"items": ITEMS}, event="costly")
    deliver({}, event="quick")
    slow = Slow()
    slow.begin()
    assert list(ExecutionRun.objects.values_list("workflow__slug", "status")) == [("quick", "succeeded")]
    assert len(slow.calls) == len(slow.engine.held) == 1
    slow.crash()
    assert len(slow.calls) == len(slow.engine.held) == 1, "the job is tried again"
    slow.perform()
    assert not slow.calls and not slow.engine.held
    assert set(ExecutionRun.objects.values_list("workflow__slug", "status")) == {
        ("quick", "succeeded"),
        ("costly", "succeeded"),
    }


@pytest.mark.django_db(transaction=True)
def test_a_worker_starts_what_costly_filters_let_through(workflow, deliver, drain, monkeypatch):
    monkeypatch.setattr("automate_core.events.matching.AT_ONCE_SECONDS", 0)
    for number in (1, 2, 3):
        workflow(FILTERED.format(f"w{number}", "costly", number))
    deliver({"items": [{"n": 1}, {"n": 3}]}, event="costly")
    drain()
    assert set(ExecutionRun.objects.values_list("workflow__slug", "status")) == {
        ("w1", "succeeded"),
        ("w3", "succeeded"),
    }


# --- before a run starts ----------------------------------------------------------------------------------------------


def test_a_limits_key_is_not_made_of_large_values():
    limit = compile_limit(Concurrency(key="{{ event.payload.text | lower }}"))
    assert limit.key_for({"payload": {"text": "Short"}}, {}) == "short"
    assert limit.key_for(SCOPE["event"], {}) == ""
    assert compile_limit(Concurrency(key="{{ event.payload.items }}")).key_for(SCOPE["event"], {}) == ""


def test_search_terms_and_subjects_are_not_made_of_large_values():
    terms = {"a": "event.payload.text | lower", "b": "event.payload.key"}
    definition = parse({"name": "x", "slug": "x", "search_terms": terms, "subject": "event.payload.text | title"})
    assert compile_search_terms(definition).values(SCOPE["event"], {}) == {"b": "k"}


def test_what_is_missing_is_compared_with_few_short_names(monkeypatch):
    """Comparing takes the square of their length, and a message that nobody reads is made as well."""
    compared = []
    monkeypatch.setattr("difflib.get_close_matches", lambda word, names, **_: compared.append((word, names)) or [])
    parent = {**{f"{'a' * 220}{number}": 1 for number in range(200)}, **{f"name{number}": 1 for number in range(200)}}
    for name in ("a" * 99, "nam"):
        with pytest.raises(TemplateError, match=r"does not exist\. Available: "):
            compile_value(f"{{{{ event.payload.{name} }}}}").render({"event": {"payload": parent}})
    assert [word for word, _ in compared] == ["nam"]
    assert all(len(name) <= 40 for _, names in compared for name in names) and len(compared[0][1]) == 40


def test_terms_that_take_too_long_are_left_out(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr("automate_core.events.search_terms.time.thread_time", lambda: next(clock))
    terms = compile_search_terms(
        parse({"name": "A", "slug": "a", "steps": [], "search_terms": {"one": "event.payload.n"}})
    )
    assert terms.values({"payload": {"n": 1}}, {}) == {}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_checkpoint_whose_answer_is_lost_is_written_again_and_changes_nothing(
    workflow, deliver, drain, sink, monkeypatch, lost
):
    """The first stores an attempt, the second its outcome and the next attempt, the third the last outcome."""
    answers, real = [], database.run

    def losing(connection, statement, values):
        rows = real(connection, statement, values)
        if isinstance(values, dict) and "checkpoints" in values and values["checkpoints"] != "[]":
            answers.append(rows)
            if len(answers) == lost:
                raise psycopg.OperationalError("server closed the connection unexpectedly")
        return rows

    workflow(HEAD.format("push") + CALL.format(key="a", url=sink.url) + CALL.format(key="b", url=sink.url))
    monkeypatch.setattr(database, "run", losing)
    deliver(event="push")
    drain()
    assert ExecutionRun.objects.get().status == "succeeded"
    assert len(answers) == 4 and len(sink.calls) == 2
    steps = StepRun.objects.order_by("path").values_list("path", "attempt", "status")
    assert list(steps) == [("a", 1, "succeeded"), ("b", 1, "succeeded")]
    assert all(step.input["url"] and step.output["status"] == 200 for step in StepRun.objects.all())
