"""Subject lines on the screens: lists, headers and samples show them to those who may view payloads, and search finds them."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse
from guardian.shortcuts import assign_perm

from automate_core.models import Event, ExecutionRun, SearchTerm
from tests.support.pages import Page, tidy
from tests.support.workflows import DECLARED_SUBJECT, GUESSED_SUBJECT

pytestmark = pytest.mark.django_db(transaction=True)

QUOTED = '<b title="x">Zoe</b>'
RUNS, EVENTS = "admin:automate_core_executionrun_changelist", "admin:automate_core_event_changelist"


@pytest.fixture
def orders(workflow, deliver, drain):
    made = workflow(GUESSED_SUBJECT)
    deliver({"number": "INV-204", "customer": "Müller & Söhne"})
    deliver({"number": "INV-205", "customer": QUOTED})
    drain()
    return made


def _shown(page):
    return {each["title"] for each in page.all(class_="da-subject clipped")}


@pytest.mark.extended
def test_lists_and_headers_show_the_subject_to_those_who_may_view_payloads(orders, sign_in, owner, colleague):
    run = ExecutionRun.objects.earliest("pk")
    assign_perm("view_workflow", colleague, orders)
    urls = {
        reverse(RUNS): {"INV-204 · Müller & Söhne", f"INV-205 · {QUOTED}"},
        reverse(EVENTS): {"INV-204 · Müller & Söhne", f"INV-205 · {QUOTED}"},
        reverse("admin:automate_core_executionrun_change", args=[run.pk]): {"INV-204 · Müller & Söhne"},
        reverse("admin:automate_core_event_change", args=[run.event_id]): {"INV-204 · Müller & Söhne"},
        reverse("admin:automate_core_workflow_change", args=[orders.pk]): {
            "INV-204 · Müller & Söhne",
            f"INV-205 · {QUOTED}",
        },
    }
    for url, expected in urls.items():
        assert _shown(Page(sign_in(owner).get(url))) == expected, url
        page = Page(sign_in(colleague).get(url))
        assert page.status == 200 and not _shown(page) and "INV-20" not in page.text, url
    samples = Page(sign_in(owner).get(reverse("studio:builder_sample", args=[orders.pk])))
    assert "INV-204 · Müller & Söhne" in samples.text and "Succeeded, INV-204 · Müller" in samples.text


def test_latest_runs_have_a_column_with_the_subject(orders, sign_in, owner):
    shown = sign_in(owner).get(reverse("admin:automate_core_workflow_change", args=[orders.pk])).content.decode()
    table = tidy(shown.partition('id="latest-runs"')[2].partition("</table>")[0])
    heads = re.findall(r"<th[^>]*>(.*?)</th>", table)
    for row in table.split("<tr id=")[1:]:
        assert "INV-20" in re.findall(r"<td.*?</td>", row)[heads.index("Subject")]


@pytest.mark.matrix
@pytest.mark.parametrize("text", ["inv-204", "INV 20", "müll", "söhne 204", "INV-204 · Müller & Söhne"])
def test_the_search_finds_a_run_by_words_of_its_subject(orders, sign_in, owner, colleague, text):
    run = ExecutionRun.objects.earliest("pk")
    assign_perm("view_workflow", colleague, orders)
    found = Page(sign_in(owner).get(reverse(RUNS), {"q": text}))
    assert f"run-{run.pk}" in found.ids
    assert f"run-{run.pk}" not in Page(sign_in(colleague).get(reverse(RUNS), {"q": text})).ids


@pytest.mark.extended
def test_the_search_takes_any_text(orders, sign_in, owner):
    client = sign_in(owner)
    for text in ("'", "\\", "& | !", "a:*", "()", "·", "é", "x" * 64, "'); --"):
        assert client.get(reverse(RUNS), {"q": text}).status_code == 200, text
    assert not Page(client.get(reverse(RUNS), {"q": "206"})).ids.keys() & {
        f"run-{run.pk}" for run in ExecutionRun.objects.all()
    }


def test_rows_from_before_show_what_is_known(orders, sign_in, owner):
    SearchTerm.objects.all().delete()
    assert "INV-204 · Müller & Söhne" in _shown(Page(sign_in(owner).get(reverse(RUNS)))), "that of the event"
    Event.objects.update(subject="")
    assert not _shown(Page(sign_in(owner).get(reverse(RUNS))))
    event = Event.objects.earliest("pk")
    page = Page(sign_in(owner).get(reverse("admin:automate_core_event_change", args=[event.pk])))
    assert _shown(page) == {"INV-204 · Müller & Söhne"}, "guessed when shown"


def test_a_subject_is_declared_in_the_settings(workflow, deliver, drain, sign_in, owner):
    made = workflow(DECLARED_SUBJECT)
    page = Page(sign_in(owner).get(reverse("studio:builder_step", args=[made.pk, "~workflow"])))
    assert "Subject line" in page.text
    deliver({"customer": "Acme", "number": 7})
    drain()
    shown = _shown(Page(sign_in(owner).get(reverse(RUNS), {"q": "acme bonn"})))
    assert shown == {"Acme (Bonn)"}
