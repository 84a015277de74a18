"""A workflow is tested in a project's suite: no worker, no network, in the test's own transaction."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import TestCase

from automate_connectors.adapters.base import ConnectorError
from automate_core import api
from automate_core.definition.document import DefinitionError
from automate_core.definition.form_validation import AnswersError
from automate_core.models import Event, ExecutionRun, OutboxJob, Wait
from automate_testing import in_order
from automate_testing.workflows import StepNotReachedError, UnmockedActionError
from automate_testing.workflows import run_workflow as run_workflow_function
from tests.support.workflows import GROUPS_ARE_WRITABLE

TRIAGE = """
name: Triage
slug: triage
triggers: [{kind: webhook, key: hook, endpoint: helpdesk, event: ticket}]
steps:
  - key: triage
    action: llm.classify
    connection: model
    inputs: {model: small, text: '{{ event.payload.text }}', labels: [bug, question], max_tokens: 100}
    retry: {attempts: 3, base: 3600}
  - kind: branch
    key: route
    arms:
      - key: bug
        when: {'==': [{var: steps.triage.output.label}, bug]}
        steps:
          - key: tell
            action: slack.post_message
            connection: team
            inputs: {channel: '#bugs', text: 'Bug: {{ event.payload.text }}'}
"""

PURE = "{name: Pure, slug: pure, triggers: [{kind: manual}], steps: [{key: a, action: data.set, inputs: {n: 1}}]}"


# --- the workflow -----------------------------------------------------------------------------------------------------


def test_a_yaml_text_runs_with_mocks(run_workflow, owner):
    result = run_workflow(
        TRIAGE, {"text": "It crashes"}, run_as=owner,
        mocks={"triage": {"label": "bug"}, "slack.post_message": {"ts": "1.2"}},
    )  # fmt: skip
    result.assert_succeeded()
    assert result.steps["triage"].output == {"label": "bug"}
    assert (result.steps["tell"].status, result.steps["tell"].output) == ("succeeded", {"ts": "1.2"})
    assert [(call.step, call.action) for call in result.calls] == [
        ("triage", "llm.classify"),
        ("tell", "slack.post_message"),
    ]
    [call] = result.calls_of("tell")
    assert call.inputs["text"] == "Bug: It crashes" and call.path == "route/tell" and call.idempotency_key
    assert result.outputs["tell"] == {"ts": "1.2"}


def test_a_file_a_document_and_a_definition_run(run_workflow, owner, tmp_path):
    from automate_authoring.definitions import yaml_files

    path = tmp_path / "pure.yaml"
    path.write_text(PURE)
    document = {"name": "Pure", "slug": "pure-2", "triggers": [], "steps": [{"key": "a", "action": "data.set"}]}
    for source in (path, document, yaml_files.read_workflow(PURE.replace("slug: pure", "slug: pure-3"))):
        run_workflow(source, run_as=owner).assert_succeeded()


def test_a_published_workflow_runs_by_its_slug(run_workflow, workflow):
    made = workflow(PURE)
    result = run_workflow("pure")
    assert result.assert_succeeded().run.workflow == "pure"
    assert run_workflow(made).steps["a"].output == {"n": 1}


def test_a_changed_file_is_a_new_version(run_workflow, owner):
    assert run_workflow(PURE, run_as=owner).run.version == 1
    changed = run_workflow(PURE.replace("n: 1", "n: 2"), run_as=owner)
    assert (changed.run.version, changed.steps["a"].output) == (2, {"n": 2})


def test_people_without_roles_may_be_the_run_as_user(run_workflow, django_user_model):
    nobody = django_user_model.objects.create_user("nobody")
    run_workflow(PURE, run_as=nobody).assert_succeeded()


def test_what_cannot_be_run_is_said(run_workflow, owner, workflow):
    with pytest.raises(TypeError, match="needs run_as"):
        run_workflow(PURE)
    with pytest.raises(LookupError, match="no published workflow 'pure'"):
        run_workflow("pure")
    workflow(PURE, publish=False)
    with pytest.raises(LookupError, match="no published workflow 'pure'"):
        run_workflow("pure")
    with pytest.raises(DefinitionError, match="steps"):
        run_workflow(PURE.replace("key: a", "key: a b"), run_as=owner)
    with pytest.raises(LookupError, match=r"no trigger 'hook'. Available: manual"):
        run_workflow(PURE, run_as=owner, trigger="hook")


# --- the event --------------------------------------------------------------------------------------------------------


def test_inputs_of_a_manual_trigger_are_checked(run_workflow, owner):
    text = PURE.replace("{kind: manual}", "{kind: manual, inputs: [{name: n, kind: number, required: true}]}")
    with pytest.raises(AnswersError, match="n is required"):
        run_workflow(text, {}, run_as=owner)
    run_workflow(text, {"n": "7"}, run_as=owner)
    assert Event.objects.latest("id").payload == {"n": 7}


def test_the_event_is_that_of_the_trigger(run_workflow, owner):
    text = TRIAGE.replace("text: '{{ event.payload.text }}'", "text: '{{ event.type }} {{ event.headers.x_shop }}'")
    mocks = {"triage": lambda inputs: {"label": inputs["text"]}, "tell": None}
    result = run_workflow(text.replace("x_shop", "shop"), {}, run_as=owner, headers={"Shop": "Bonn"}, mocks=mocks)
    assert result.steps["triage"].output == {"label": "ticket Bonn"}


def test_an_event_that_the_filter_rejects_is_a_failure(run_workflow, owner):
    text = PURE.replace("{kind: manual}", "{kind: event, event: go, filter: {'>': [{var: event.payload.n}, 5]}}")
    run_workflow(text, {"n": 6}, run_as=owner).assert_succeeded()
    with pytest.raises(AssertionError, match=r"'event' does not accept this event. Filter: .*event.payload.n"):
        run_workflow(text, {"n": 5}, run_as=owner)
    with pytest.raises(AssertionError, match="events of the type 'go', not 'stop'"):
        run_workflow(text, {"n": 6}, run_as=owner, event_type="stop")


# --- mocks ------------------------------------------------------------------------------------------------------------


def test_an_action_that_reaches_outside_needs_a_mock(run_workflow, owner):
    with pytest.raises(UnmockedActionError, match=r"'triage' calls llm.classify.*Add a mock for 'triage'"):
        run_workflow(TRIAGE, {"text": ""}, run_as=owner, mocks={"tell": {}})


def test_a_misspelt_mock_is_named_before_the_step_that_lacks_one(run_workflow, owner):
    said = r"^mocks: 'triag' fits no step. Steps: triage \(llm.classify\).* The step 'triage' calls llm.classify"
    with pytest.raises(UnmockedActionError, match=said):
        run_workflow(TRIAGE, {"text": ""}, run_as=owner, mocks={"triag": {}, "tell": {}})


def test_error_steps_do_not_hide_a_missing_mock(run_workflow, owner):
    request = "action: http.request, inputs: {method: GET, url: 'https://a.example'}, on_error: {value: {}}"
    text = PURE.replace("action: data.set, inputs: {n: 1}", request)
    with pytest.raises(UnmockedActionError):
        run_workflow(text, run_as=owner)


def test_a_mock_that_fits_no_step_is_a_failure(run_workflow, owner):
    with pytest.raises(AssertionError, match=r"mocks: 'note' fits no step. Steps: a \(data.set\)"):
        run_workflow(PURE, run_as=owner, mocks={"note": {}})
    with pytest.raises(AssertionError, match="approvals: 'ask' fits no step"):
        run_workflow(PURE, run_as=owner, approvals={"ask": "approved"})


def test_a_raised_error_fails_the_step_and_the_run(run_workflow, owner):
    error = ConnectorError("No such channel", code="channel_not_found")
    mocks = {"triage": {"label": "bug"}, "tell": error}
    result = run_workflow(TRIAGE, {"text": "x"}, run_as=owner, mocks=mocks)
    result.assert_failed(step="tell", code="channel_not_found")
    assert result.steps["tell"].error.message == "No such channel"
    with pytest.raises(AssertionError) as shown:
        result.assert_succeeded()
    assert "error at tell: channel_not_found: No such channel" in str(shown.value)
    assert "route/tell #1 failed" in str(shown.value)


def test_retries_happen_without_waiting(run_workflow, owner):
    away = ConnectorError("Away", code="http_503", retryable=True)
    mocks = {"triage": in_order(away, away, {"label": "question"}), "tell": {}}
    result = run_workflow(TRIAGE, {"text": "x"}, run_as=owner, mocks=mocks).assert_succeeded()
    attempts = result.steps["triage"].attempts
    assert [(each.number, each.status) for each in attempts] == [(1, "failed"), (2, "failed"), (3, "succeeded")]
    assert [call.attempt for call in result.calls] == [1, 2, 3]
    assert len({call.idempotency_key for call in result.calls}) == 1
    assert (result.run.finished_at - result.run.started_at).total_seconds() > 60
    assert "tell" not in result.steps
    exhausted = run_workflow(TRIAGE, {"text": "x"}, run_as=owner, mocks={"triage": away, "tell": {}})
    assert len(exhausted.assert_failed(code="http_503").steps["triage"].attempts) == 3


def test_inputs_of_a_mocked_action_are_checked_as_ever(run_workflow, owner):
    text = TRIAGE.replace("channel: '#bugs', ", "")
    with pytest.raises(DefinitionError, match="channel"):
        run_workflow(text, {"text": ""}, run_as=owner, mocks={"triage": {}, "tell": {}})
    text = TRIAGE.replace("channel: '#bugs'", "channel: '{{ event.payload.channel }}'")
    mocks = {"triage": {"label": "bug"}, "tell": {}}
    result = run_workflow(text, {"text": "", "channel": None}, run_as=owner, mocks=mocks)
    result.assert_failed(step="tell", code="invalid_input")
    assert result.calls_of("tell") == []


def test_an_assertion_in_a_mock_fails_the_test(run_workflow, owner):
    def classify(inputs):
        assert inputs["text"] == "something else"

    with pytest.raises(AssertionError, match="something else"):
        run_workflow(TRIAGE, {"text": "x"}, run_as=owner, mocks={"triage": classify, "tell": {}})


def test_pure_and_transactional_actions_run_for_real(run_workflow, owner, settings):
    settings.AUTOMATE_MODELS = GROUPS_ARE_WRITABLE
    owner.is_superuser = True
    owner.save()
    text = """
name: Groups
slug: groups
triggers: [{kind: event, event: go}]
steps:
  - {key: make, action: models.create, inputs: {model: auth.Group, values: {name: '{{ event.payload.name }}'}}}
  - {key: note, action: data.set, inputs: {pk: '{{ steps.make.output.pk }}'}}
"""
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        before = cursor.fetchone()
        result = run_workflow(text, {"name": "Fraud"}, run_as=owner)
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == before, "an action's timeouts are its own"
    result.assert_succeeded()
    assert result.steps["note"].output == {"pk": Group.objects.get(name="Fraud").pk}
    mocked = run_workflow(text, {"name": "Other"}, run_as=owner, mocks={"make": {"pk": 0}})
    assert mocked.steps["note"].output == {"pk": 0} and not Group.objects.filter(name="Other").exists()


def test_an_action_may_run_for_real(run_workflow, owner):
    request = "action: http.request, inputs: {method: GET, url: 'http://127.0.0.1:9/'}"
    text = PURE.replace("action: data.set, inputs: {n: 1}", request)
    result = run_workflow(text, run_as=owner, real=["a"])
    assert result.assert_failed(step="a").error.code != "not_mocked"
    assert connection.connection is not None and ExecutionRun.objects.exists(), "the test's transaction is still there"
    with pytest.raises(AssertionError, match=r"real: 'http\.get' fits no step"):
        run_workflow(text, run_as=owner, mocks={"a": {}}, real=["http.get"])


def test_a_call_of_another_workflow_runs_it_or_takes_the_mock(run_workflow, owner):
    text = """
name: Caller
slug: caller
triggers: [{kind: manual}]
steps: [{kind: workflow, key: call, workflow: called, payload: {n: 1}}]
"""
    result = run_workflow(text, run_as=owner, mocks={"call": {"output": 7}})
    assert result.assert_succeeded().steps["call"].output == {"output": 7}
    assert result.calls[0].inputs == {"workflow": "called", "payload": {"n": 1}}
    called = """
name: Called
slug: called
triggers: []
steps: [{key: tell, action: slack.post_message, connection: team, inputs: {channel: a, text: b}}]
"""
    run_workflow(called, run_as=owner, mocks={"tell": {}})
    result = run_workflow(text, run_as=owner, mocks={"tell": {"ts": "9"}})
    assert result.assert_succeeded().steps["call"].output["output"] == {"ts": "9"}


# --- steps ------------------------------------------------------------------------------------------------------------


def test_steps_of_a_loop_are_found_by_path(run_workflow, owner):
    note = "{key: note, action: data.set, inputs: {n: '{{ item }}'}}"
    loop = f"{{kind: for_each, key: each, items: [1, 2], steps: [{note}]}}"
    text = PURE.replace("{key: a, action: data.set, inputs: {n: 1}}", loop)
    steps = run_workflow(text, run_as=owner).assert_succeeded().steps
    assert [step.output for step in steps.all("note")] == [{"n": 1}, {"n": 2}]
    assert steps["each[1]/note"].output == {"n": 2}
    with pytest.raises(StepNotReachedError, match=r"several times: each\[0\]/note, each\[1\]/note"):
        steps["note"]


def test_a_step_that_was_not_reached_is_a_failure_with_those_that_were(run_workflow, owner):
    result = run_workflow(TRIAGE, {"text": "x"}, run_as=owner, mocks={"triage": {"label": "question"}, "tell": {}})
    with pytest.raises(
        StepNotReachedError, match=r"did not reach the step 'tell'\. Steps that it reached: triage, route"
    ):
        result.steps["tell"]


# --- the database -----------------------------------------------------------------------------------------------------


def test_nothing_of_it_is_committed_and_nothing_is_left_to_do(run_workflow, owner):
    run_workflow(PURE, run_as=owner)
    assert connection.in_atomic_block
    assert (
        not OutboxJob.objects.exclude(status="completed").exists() and not Wait.objects.filter(status="open").exists()
    )


@pytest.mark.django_db(transaction=True)
def test_it_runs_where_the_test_commits(owner):
    result = run_workflow_function(TRIAGE, {"text": "x"}, run_as=owner, mocks={"triage": {"label": "bug"}, "tell": {}})
    result.assert_succeeded()
    assert not connection.in_atomic_block


def test_a_concurrency_limit_admits_the_run(run_workflow, owner):
    run_workflow(PURE.replace("slug: pure", "slug: pure, concurrency: {limit: 1}"), run_as=owner).assert_succeeded()


def test_values_that_a_render_worker_computes_arrive(run_workflow, owner):
    loops = "{% for a in range(1000) %}{% for b in range(3) %}{{ event.payload.text }}{% endfor %}{% endfor %}"
    text = PURE.replace("{kind: manual}", "{kind: event, event: go}").replace("n: 1", f"n: '{loops}'")
    result = run_workflow(text, {"text": "ab"}, run_as=owner)
    assert result.assert_succeeded().steps["a"].output == {"n": "ab" * 3000}


def test_runs_of_it_are_those_of_the_api(run_workflow, owner):
    result = run_workflow(PURE, run_as=owner)
    assert api.run(result.run.id) == result.run


class InATestCase(TestCase):
    """Django's own test cases have no fixtures, and need none."""

    def test_a_workflow_runs(self):
        from tests.support.people import make_person

        result = run_workflow_function(PURE, run_as=make_person("owner"))
        assert result.assert_succeeded().steps["a"].output == {"n": 1}


def test_a_reply_is_the_output_of_its_step(run_workflow, owner):
    reply = "{kind: reply, key: answer, status: 201, body: {id: '{{ steps.a.output.n }}'}}"
    text = PURE.replace("inputs: {n: 1}}]", f"inputs: {{n: 1}}}}, {reply}]")
    steps = run_workflow(text, run_as=owner).assert_succeeded().steps
    output = steps["answer"].output
    assert (output["status"], output["body"]) == (201, {"id": 1})
