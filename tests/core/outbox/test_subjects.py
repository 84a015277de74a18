"""Subject lines: guessed from what events carry or declared by workflows, stored with the event and with its run."""

from __future__ import annotations

import json

import pytest
from django.urls import reverse

from automate_authoring.definitions import validation
from automate_core import database
from automate_core.definition.document import FormField
from automate_core.definition.parsing import parse
from automate_core.events import search_terms
from automate_core.models import Event, ExecutionRun, SearchTerm
from automate_core.outbox import subjects
from automate_core.outbox.ingest import INGEST
from automate_core.runs import control
from automate_core.triggers import manual
from automate_governance.redaction.redactor import redactor_context
from tests.support.pages import Page
from tests.support.workflows import DECLARED_SUBJECT, GUESSED_SUBJECT


@pytest.mark.parametrize(
    ("payload", "subject"),
    [
        (
            {"number": "INV-204", "customer": "Acme Ltd", "amount": 1500, "currency": "eur"},
            "INV-204 · Acme Ltd · 1500 EUR",
        ),
        (
            {"action": "opened", "issue": {"number": 7, "title": "It  broke\n"}, "repository": {"name": "shop"}},
            "7 · It broke",
        ),
        ({"orderNumber": 12, "customer": {"id": "c1", "name": "Ada"}, "total_price": 9.5}, "12 · Ada · 9.5"),
        ({"supplier": "Acme", "amount": 6000.0}, "Acme · 6000"),
        ({"amount": 6000, "currency": "eur", "lieferant": "Acme"}, "Acme · 6000 EUR"),
        ({"amount": 6000, "password": "Acme", "note": "sk-abcdefghijklmnopqrstuv"}, "6000"),
        ({"data": {"object": {"number": "X-1"}}}, "X-1"),
        ({"operation": "updated", "before": {"name": "Old"}, "after": {"name": "New"}}, "New"),
        ({"title": "x" * 200}, "x" * 59 + "…"),
        ({"customer": {"number": 1}, "employee": "zoe"}, "1 · zoe"),
        ({"card": {"number": "4242", "name": "Ada"}, "token": {"title": "abc"}, "api_key": {"name": "k"}}, ""),
        ({"number": "4242 4242 4242 4242", "name": "sk-abcdefghijklmnopqrstuv"}, ""),
        ({"number": True, "title": None, "name": [], "total": {}}, ""),
        ({"a": {"b": {"c": {"title": "too deep"}}}}, ""),
        ({f"k{n}": n for n in range(300)} | {"title": "too late"}, ""),
        ({"currency": "EUR"}, ""),
        (["title"], ""),
        (None, ""),
    ],
)
def test_the_subject_is_guessed_from_usual_names(payload, subject):
    assert subjects.guess_subject(payload) == subject == subjects.guess_subject_of_json(json.dumps(payload))


FORM = [
    FormField(name="begruendung", kind="long_text"),
    FormField(name="kontonummer"),
    FormField(name="lieferant"),
    FormField(name="betrag", kind="number"),
    FormField(name="abteilung", kind="choice", choices=["IT"]),
    FormField(name="stadt"),
]


@pytest.mark.parametrize(
    ("payload", "subject"),
    [
        (
            {
                "stadt": "Bonn", "abteilung": "IT", "betrag": 6000, "lieferant": "Müller", "begruendung": "Neue Stühle",
                "kontonummer": "X1",
            },
            "Müller · IT · 6000",
        ),
        ({"begruendung": "Neue Stühle", "betrag": 6000.0, "lieferant": "Müller"}, "Müller · 6000"),
        ({"lieferant": "sk-abcdefghijklmnopqrstuv", "betrag": 4242424242424242, "stadt": None}, ""),
        ({"lieferant": "Müller", "amount": 5}, "Müller · 5"),
        ({"number": 7, "title": "Chairs", "lieferant": "Müller"}, "7 · Chairs"),
        (["lieferant"], ""),
    ],
)  # fmt: skip
def test_answers_to_a_form_with_any_names_have_a_subject_in_the_order_of_its_fields(payload, subject):
    assert subjects.guess_subject(payload, FORM) == subject == subjects.guess_subject_of_json(json.dumps(payload), FORM)


def test_a_form_with_one_usual_name_shows_its_other_fields_too():
    form = [FormField(name="email", kind="email"), *FORM]
    assert (
        subjects.guess_subject({"lieferant": "Müller", "email": "zoe@example.com"}, form) == "zoe@example.com · Müller"
    )
    assert subjects.guess_subject({"begruendung": "Neue Stühle"}, FORM[:1]) == "Neue Stühle"


@pytest.mark.django_db(transaction=True)
def test_a_run_that_a_form_started_is_found_by_its_first_fields(workflow, owner, sign_in, drain):
    made = workflow("""
name: Bestellung
slug: bestellung
triggers:
  - {kind: manual, inputs: [{name: lieferant}, {name: betrag, kind: number}, {name: begruendung, kind: long_text}]}
steps: [{key: keep, action: data.set, inputs: {n: 1}}]
""")
    manual.start_workflow(made, {"lieferant": "Müller", "betrag": "6000", "begruendung": "Neue Stühle"}, by=owner)
    drain()
    assert Event.objects.get().subject == "Müller · 6000"
    found = sign_in(owner).get(reverse("admin:automate_core_executionrun_changelist"), {"q": "müller"})
    assert "Müller · 6000" in Page(found).text
    again = control.rerun(ExecutionRun.objects.get(), by=owner, start="start", payload={"lieferant": "Schmidt"})
    assert again.terms.get().value == "Schmidt"


def test_a_known_secret_is_never_part_of_a_subject():
    with redactor_context() as known:
        known.learn("hunter2-hunter2")
        assert subjects.guess_subject({"number": 1, "title": "the password is hunter2-hunter2"}) == "1"


def test_a_secret_where_a_subject_is_cut_off_is_masked_before_it_is_cut():
    """A part of a secret says something, too; other members stay."""
    with redactor_context() as known:
        known.learn("hunter2-hunter2")
        assert subjects.guess_subject({"number": 1, "title": "x" * 55 + "hunter2-hunter2"}) == "1"
        assert subjects.guess_subject({"number": 1, "title": "x" * 70 + "hunter2-hunter2"}) == "1 · " + "x" * 59 + "…"
    assert subjects.guess_subject({"number": 1, "title": "x" * 50 + " token=abcdefghijkl"}) == "1"


def test_a_payload_that_is_no_json_or_too_long_has_no_subject():
    assert subjects.guess_subject_of_json('{"title": ') == subjects.guess_subject_of_json('{"a": ' * 2_000) == ""
    assert subjects.guess_subject_of_json(json.dumps({"title": "x", "rest": "y" * subjects.LARGEST})) == ""


@pytest.mark.django_db(transaction=True)
def test_event_and_run_are_written_with_their_subject(workflow, deliver, drain):
    workflow(GUESSED_SUBJECT)
    deliver({"number": 204, "customer": "Acme"})
    drain()
    assert Event.objects.get().subject == "204 · Acme"
    run = ExecutionRun.objects.get()
    assert dict(run.terms.values_list("name", "value")) == {"subject": "204 · Acme"}


@pytest.mark.django_db(transaction=True)
def test_a_subject_costs_no_statement(workflow, deliver, drain, monkeypatch):
    workflow(GUESSED_SUBJECT)
    statements, run = [], database.run
    monkeypatch.setattr(database, "run", lambda *given: (statements.append(given[1]), run(*given))[1])

    def written(payload):
        statements.clear()
        deliver(payload)
        drain()
        return sum(each is INGEST or "INSERT INTO automate_core_steprun" in each for each in statements)

    counts = [written({"number": 204}), written({"x": 1}), written({"number": 205})]
    assert len(set(counts)) == 1 and SearchTerm.objects.count() == 2, counts


@pytest.mark.django_db(transaction=True)
def test_a_declared_subject_takes_the_place_of_the_guess(workflow, deliver, drain, owner):
    workflow(DECLARED_SUBJECT)
    deliver({"number": 204, "customer": "Acme"})
    deliver({"number": 205})
    drain()
    first, second = ExecutionRun.objects.order_by("pk")
    assert first.terms.get().value == "Acme (Bonn)" and not second.terms.exists(), "it names what is not there"
    again = control.rerun(first, by=owner, start="start", payload={"customer": "Zoe"})
    assert again.terms.get().value == "Zoe (Bonn)" and again.event.subject == "Zoe"


def test_a_search_term_called_subject_is_the_subject():
    made = parse({"name": "A", "slug": "a", "search_terms": {"subject": "event.payload.no"}})
    assert search_terms.find_search_terms(made, {"payload": {"no": 9, "title": "Not this"}}) == {"subject": "9"}


def test_a_subject_that_names_what_a_new_run_lacks_is_a_problem():
    made = parse({"name": "A", "slug": "a", "subject": "{{ steps.keep.output.n }}"})
    assert [problem.path for problem in validation.find_problems(made)] == ["subject"]
