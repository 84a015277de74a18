"""Hosted forms: people answer them on public pages, and their answers start workflows."""

from __future__ import annotations

import base64
import json
import re
import sys
import time
from html import unescape
from urllib.parse import urlsplit

import altcha
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.signing import Signer
from django.db import connection
from django.urls import reverse
from django.utils import translation
from guardian.shortcuts import assign_perm

from automate_authoring import pausing, workflows
from automate_core.definition.document import DefinitionError
from automate_core.definition.form_validation import AnswersError, check_answers
from automate_core.models import Event, ExecutionRun, HostedForm, StoredFile, Wait
from automate_core.triggers import proof_of_work
from automate_core.webhooks.callback_urls import form_page_url
from automate_governance.models import AuditEntry
from automate_governance.texts import translated
from automate_studio.builder.panel.fields import HOSTED_FORM_COLUMNS
from automate_studio.forms.kept_files import read_kept
from tests.support.builder import Builder
from tests.support.pages import Page
from tests.support.people import make_person
from tests.support.walks import settle

CLAIM = """
name: Claim
slug: claim
triggers:
  - kind: form
    slug: claim-form
    title: Report a claim
    introduction: "Tell us <b>what</b> happened."
    confirmation: We will write to you.
    ACCESS
    inputs:
      - {name: name, required: true, maximum: 40}
      - {name: mail, kind: email, required: true}
      - {name: amount, kind: number, minimum: 1, maximum: 5000}
      - {name: parts, kind: choices, choices: [door, roof, wheel], maximum: 2}
      - {name: level, kind: choice, choices: [low, high]}
      - {name: since, kind: date}
      - {name: photo, label: Photo, kind: file, accept: [.png, image/jpeg], maximum: 1}
      - {name: terms, label: I agree, kind: consent, required: true}
steps:
  - {key: note, action: data.set, inputs: {who: '{{ event.payload.name }}'}}
"""
PAGES = """
  - key: more
    kind: wait
    title: 'More about {{ event.payload.name }}'
    introduction: One more question.
    form: [{name: reason, label: Reason, required: true}, {name: proof, label: Proof, kind: file}]
    timeout: 2d
  - {key: keep, action: data.set, inputs: {reason: '{{ steps.more.output.form.reason }}'}}
"""
GOOD = {"form-name": "Anna", "form-mail": "anna@example.com", "form-terms": "on"}
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40


@pytest.fixture(autouse=True)
def _site(settings, tmp_path):
    settings.AUTOMATE_FORM_SECONDS = 0
    storage = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": tmp_path}}
    settings.STORAGES = {**settings.STORAGES, "automate": storage}


def claim(access: str = "", pages: str = "") -> str:
    return CLAIM.replace("ACCESS", access) + pages


def token_of(answer) -> str:
    return re.search(r'name="token" value="([^"]+)"', answer.content.decode())[1]


def kept_in(answer) -> dict[str, str]:
    return dict(re.findall(r'name="(form-\w+-kept)" value="([^"]+)"', answer.content.decode()))


def send(client, answers, path="/forms/claim-form/", token=""):
    token = token or token_of(client.get(path))
    return client.post(path, {**answers, "token": token})


@pytest.mark.django_db(transaction=True)
def test_an_answer_is_an_event_with_typed_values(workflow, sign_in, drain):
    made, client = workflow(claim()), sign_in()
    page = client.get("/forms/claim-form/")
    assert page.status_code == 200 and "&lt;b&gt;what" in page.content.decode() and not page.cookies
    assert "Allowed types: PNG, JPEG. At most 1.0 MB." in page.content.decode(), "before somebody chooses another file"
    photo = SimpleUploadedFile("door.png", PNG, "image/png")
    answers = {**GOOD, "form-amount": "12.5", "form-parts": ["roof", "door"], "form-photo": photo}
    answer = send(client, answers)
    assert answer.status_code == 303
    event = Event.objects.get()
    stored = StoredFile.objects.get()
    assert (event.source, event.type, event.headers) == ("form:claim", "form", {})
    assert (stored.trace_id, stored.workflow_id) == (event.trace_id, made.pk)
    assert event.payload == {
        "name": "Anna", "mail": "anna@example.com", "amount": 12.5, "parts": ["door", "roof"], "level": None,
        "since": None, "terms": True,
        "photo": {"$file": stored.reference, "name": "door.png", "type": "image/png", "size": len(PNG)},
    }  # fmt: skip
    assert "We will write to you." in client.get(answer["Location"]).content.decode()
    settle(drain)
    run = ExecutionRun.objects.get(workflow=made)
    assert (run.origin, run.status) == ("form", "succeeded")
    entry = AuditEntry.objects.get(verb="workflow.form_answered")
    assert (entry.actor, entry.trace_id) == ("nobody", event.trace_id)
    assert HostedForm.objects.get().answers == 1


#: What is asked of a German and of an English reader who typed this, and what is accepted.
ASKED = {
    "de": {"1.250": r"1250\b.*\b1,25\b", "-12.500": r"-12500\b.*-12,5\b", "1,234.50": r"\b1234,5\b", "5 EUR": r"\b5\b"},
    "en": {
        "1,250": r"1250\b.*\b1\.25\b",
        "1.250": r"1250\b.*\b1\.25\b",
        "1.234,50": r"\b1234\.5\b",
        "12,50": r"\b12\.5\b",
    },
}
READ = {
    "de": {"250,50": 250.5, "1.234,50": 1234.5, "1250": 1250, "1,25": 1.25, "12.5": 12.5, "0,125": 0.125},
    "en": {"250.50": 250.5, "1,234.50": 1234.5, "1250": 1250, "1.25": 1.25, "0.125": 0.125},
}
FIELD = [{"name": "amount", "kind": "number", "minimum": 0.1}]


@pytest.mark.parametrize("language", ["de", "en"])
def test_a_number_is_read_in_the_notation_of_the_page(language):
    wrong = {}
    with translation.override(language):
        for typed, value in READ[language].items():
            assert check_answers(FIELD, {"amount": typed}) == {"amount": value}
        for typed, words in {**ASKED[language], "1_000": "number|Zahl", "9" * 5000: "number|Zahl"}.items():
            with pytest.raises(AnswersError) as refused:
                check_answers(FIELD, {"amount": typed})
            said = translated(refused.value.errors["amount"])
            if not re.search(words, said):
                wrong[typed] = said
        with pytest.raises(AnswersError) as refused:
            check_answers(FIELD, {"amount": "0"})
        assert ("0,1" if language == "de" else "0.1") in translated(refused.value.errors["amount"])
    assert wrong == {}


@pytest.mark.django_db
def test_a_form_asks_which_number_was_meant(workflow, sign_in):
    workflow(claim())
    client = sign_in()
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "de"
    page = Page(send(client, {**GOOD, "form-amount": "1.250"}))
    assert re.search(r"Amount: 1\.250 .*1250\b.*\b1,25\b", " ".join(page.text.split()))
    assert (page.ids["form-amount"]["aria-invalid"], page.ids["form-amount"]["value"]) == ("true", "1.250")
    proposed = [each["data-proposal"] for each in page.all(data_proposal_at="form-amount")]
    assert set(proposed) == {"1250", "1,25"}
    assert any("shared/proposals" in each.get("src", "") for each in page.all())
    english = Page(send(sign_in(), {**GOOD, "form-amount": "5,000"}))
    assert [each["data-proposal"] for each in english.all(data_proposal_at="form-amount")] == ["5000"]
    assert not Event.objects.exists()
    assert send(client, {**GOOD, "form-amount": "1.234,50"}).status_code == 303
    assert Event.objects.get().payload["amount"] == 1234.5


@pytest.mark.extended
@pytest.mark.django_db
def test_a_bad_name_of_a_field_is_told_at_its_cell(workflow, sign_in, owner):
    made = workflow(claim(), publish=False)
    builder = Builder(sign_in(owner), made)
    rows = {f"form.inputs::{column.name}": ["", ""] for column in HOSTED_FORM_COLUMNS} | {"form.inputs::rows": "1"}
    for name, column, words in (
        ("Which part", "name", "lowercase letters, digits and underscores"),
        ("part", "choices", "Add at least one choice."),
    ):
        typed = {"form.inputs::name": ["name", name], "form.inputs::kind": ["text", "choice"]}
        stored = Page(builder.save("~trigger", trigger="form", **rows | typed))
        for page in (stored, builder.panel("~trigger")):
            why = page.ids["field-form-inputs-why"]
            [cell] = json.loads(why["data-cells"])
            assert (cell["row"], cell["column"], cell["level"]) == (1, column, "error") and words in cell["text"]
            assert "error" not in why["class"], "it is said once"


@pytest.mark.django_db
def test_a_form_shows_until_when_it_takes_answers(workflow, sign_in):
    workflow(claim("closes_at: '2999-12-24T18:00'"))
    assert re.search(r"Answer until .*2999.* \(\w+\)\.", Page(sign_in().get("/forms/claim-form/")).text)
    workflow(claim())
    assert "Answer until" not in Page(sign_in().get("/forms/claim-form/")).text


@pytest.mark.django_db
def test_two_answers_of_one_page_are_one_event(workflow, sign_in):
    workflow(claim())
    client = sign_in()
    token = token_of(client.get("/forms/claim-form/"))
    first = send(client, GOOD, token=token)
    again = send(client, {**GOOD, "form-name": "Bert", "form-terms": ""}, token=token)
    assert (first.status_code, again.status_code) == (303, 303)
    assert Event.objects.get().payload["name"] == "Anna" and HostedForm.objects.get().answers == 1


@pytest.mark.django_db
def test_errors_stand_at_their_fields_and_nothing_is_lost(workflow, sign_in):
    workflow(claim())
    client = sign_in()
    wrong = {
        "form-name": "Anna", "form-mail": "anna", "form-amount": "9000", "form-parts": ["door", "roof", "wheel"],
        "form-level": "odd", "form-since": "24.12.2026", "form-photo": SimpleUploadedFile("door.png", PNG, "image/png"),
    }  # fmt: skip
    answer = send(client, wrong)
    html = answer.content.decode()
    assert answer.status_code == 422 and not Event.objects.exists()
    errors = dict(re.findall(r'id="form-(\w+)-why"[^>]*>(?:\s*<[^>]*>)*\s*([^<]+?)\s*<', html))
    assert errors == {
        "mail": "Mail must be an email address such as anna@example.com.",
        "amount": "Amount must be at most 5000.",
        "parts": "Parts: choose at most 2.",
        "level": "Level must be one of: low, high.",
        "since": "Since must be a date such as 2026-12-24.",
        "photo": "Allowed types: PNG, JPEG. At most 1.0 MB.",
        "terms": "I agree is required.",
    }
    assert 'value="Anna"' in html and 'value="9000"' in html and html.count("checked") == 3
    assert "door.png (48" in html and "Remove this file" in html
    good, token = {**GOOD, **kept_in(answer)}, token_of(answer)
    assert send(client, good, token=token).status_code == 303
    assert Event.objects.get().payload["photo"]["$file"] == StoredFile.objects.get().reference
    assert send(client, good).status_code == 303, "of another page: the file is not taken along"
    assert Event.objects.latest("id").payload["photo"] is None


@pytest.mark.django_db
def test_a_kept_file_can_be_removed_and_stays_within_its_field_its_time_and_the_quota(
    workflow, sign_in, settings, monkeypatch
):
    second = "{name: any, label: Any, kind: file}"
    workflow(claim().replace("      - {name: terms", f"      - {second}\n      - {{name: terms"))
    client = sign_in()

    def begin(**files):
        sent = {f"form-{name}": SimpleUploadedFile(f"{name}.png", PNG, "image/png") for name in files}
        answer = send(client, {"form-name": "Anna", **sent})
        return kept_in(answer), token_of(answer)

    def photo_of(changes, token):
        assert send(client, {**GOOD, **changes}, token=token).status_code == 303
        return Event.objects.latest("id").payload["photo"]

    kept, token = begin(photo=1)
    assert photo_of({**kept, "form-photo-removed": "on"}, token) is None
    kept, token = begin(any=1)
    assert photo_of({"form-photo-kept": kept["form-any-kept"]}, token) is None, "which would pass by the accepted types"
    _, token = begin(photo=1)
    assert photo_of({"form-photo-kept": StoredFile.objects.latest("created_at").pk}, token) is None, "not signed"
    kept, token = begin(photo=1)
    settings.AUTOMATE_FORM_FILE_BYTES = 60
    more = {**GOOD, **kept, "form-any": SimpleUploadedFile("any.png", PNG, "image/png")}
    assert "together at most" in send(client, more, token=token).content.decode()
    with monkeypatch.context() as later:
        later.setattr(time, "time", lambda now=time.time: now() + 90_000)
        assert read_kept(kept["form-photo-kept"], "form-photo") == ""
    assert read_kept(kept["form-photo-kept"], "form-photo") != ""


@pytest.mark.extended
@pytest.mark.django_db
def test_proof_of_work_counts_for_one_page(workflow, sign_in, monkeypatch):
    workflow(claim("proof_of_work: true"))
    client = sign_in()
    page = client.get("/forms/claim-form/")
    html, token = page.content.decode(), token_of(page)
    assert "altcha-3.2.2" in html and "Turn on JavaScript" in html
    assert "Tick “I am not a robot”" in send(client, GOOD, token=token).content.decode()
    challenge = altcha.Challenge.from_dict(json.loads(unescape(re.search(r'challenge="([^"]+)"', html)[1])))
    assert 86_000 < challenge.parameters.expires_at - time.time() <= 86_400
    solution = altcha.solve_challenge(challenge)
    proof = altcha.Payload(challenge, solution).to_base64()
    wrong = altcha.Payload(challenge, altcha.Solution(solution.counter + 1, solution.derived_key)).to_base64()
    challenge.parameters.cost = 1
    easier = altcha.Payload(challenge, altcha.solve_challenge(challenge)).to_base64()
    forged = [base64.b64encode(text.encode()).decode() for text in ("[]", "{}", '{"challenge": 1e999}', "[" * 9_000)]
    odd = [
        each
        for each in (wrong, easier, *forged, "é", "\0", proof[:-9], proof + "A" * 10_000)
        if send(client, {**GOOD, "altcha": each}, token=token).status_code != 422
    ]
    assert odd == [] and not Event.objects.exists()
    other = token_of(client.get("/forms/claim-form/"))
    assert send(client, {**GOOD, "altcha": proof}, token=other).status_code == 422, "of another page"
    with monkeypatch.context() as later:
        later.setattr(time, "time", lambda now=time.time: now() + 90_000)
        assert not proof_of_work.is_solved(proof, token)
    assert send(client, {**GOOD, "altcha": proof}, token=token).status_code == 303
    assert send(client, {**GOOD, "altcha": proof, "form-name": "Bert"}, token=token).status_code == 303
    assert Event.objects.get().payload["name"] == "Anna", "it counts once"


@pytest.mark.django_db
def test_proof_of_work_is_offered_only_where_it_is_installed(workflow, sign_in, owner, monkeypatch):
    made, client = workflow(claim("proof_of_work: true")), sign_in(owner)
    other = workflow(CLAIM.replace("claim", "plain").replace("ACCESS", ""), publish=False)
    panel = f"/admin/automate/workflows/{other.pk}/builder/step/~trigger/"
    assert "Proof of work" in client.get(panel).content.decode()
    monkeypatch.setitem(sys.modules, "altcha", None)  # Python's mark for a module that there is not
    assert "Proof of work" not in client.get(panel).content.decode()
    assert client.get("/forms/claim-form/").status_code == 410, "closed rather than open to all"
    with pytest.raises(DefinitionError, match=r"django-automate\[altcha\]"):
        workflows.publish(made, author=owner)


@pytest.mark.django_db
def test_files_are_limited_and_checked(workflow, sign_in, settings):
    workflow(claim())
    client = sign_in()
    settings.AUTOMATE_FORM_FILE_BYTES = 1_500_000
    files = {
        "is too large: at most 1 MB": ("big.png", PNG + b"0" * 1_000_000, "image/png"),
        "together at most 1.5 MB": ("huge.png", PNG + b"0" * 1_600_000, "image/png"),
        "one of these types: .png, image/jpeg": ("run.exe", b"MZ", "application/octet-stream"),
        "but its content is text/html": ("page.png", b"<html><script>", "image/png"),
        "is empty": ("none.png", b"", "image/png"),
    }
    missed = []
    for words, (name, content, kind) in files.items():
        answer = send(client, {**GOOD, "form-photo": SimpleUploadedFile(name, content, kind)})
        html = answer.content.decode()
        if answer.status_code != 422 or words not in html or 'value="Anna"' not in html:
            missed.append(words)
    assert not missed and not Event.objects.exists() and not StoredFile.objects.exists()


@pytest.mark.django_db
def test_only_strangers_may_be_too_quick(workflow, sign_in, owner, settings):
    workflow(claim())
    settings.AUTOMATE_FORM_SECONDS = 600
    assert "That was very quick" in send(sign_in(), GOOD).content.decode()
    assert send(sign_in(owner), GOOD).status_code == 303


@pytest.mark.extended
@pytest.mark.django_db
def test_programs_are_kept_off(workflow, sign_in, settings):
    workflow(claim())
    client = sign_in()
    assert send(client, {**GOOD, "website": "https://spam.example"}).status_code == 200, "a program believes it"
    settings.AUTOMATE_FORM_SECONDS = 600
    assert "That was very quick" in send(client, GOOD).content.decode()
    settings.AUTOMATE_FORM_SECONDS = 0
    assert "open for too long" in send(client, GOOD, token="forged").content.decode()
    settings.AUTOMATE_FORM_RATE = 1
    from automate_core.webhooks import rates

    rates.answers.clear()
    assert send(client, {}).status_code == 422
    refused = send(client, GOOD)
    assert refused.status_code == 429 and "Too many answers" in refused.content.decode()
    assert 'value="Anna"' in refused.content.decode() and not Event.objects.exists()


@pytest.mark.django_db
def test_who_may_answer(workflow, sign_in, owner, stranger):
    made = workflow(claim("access: link"))
    client = sign_in()
    key = Signer(salt="automate.form_link").signature(f"{made.pk}:claim-form:1")
    assert client.get("/forms/claim-form/").status_code == 404
    assert client.get(f"/forms/claim-form/{key[:-1]}x/").status_code == 404
    assert send(client, GOOD, f"/forms/claim-form/{key}/").status_code == 303
    workflow(claim("access: link\n    link_number: 2"))
    assert client.get(f"/forms/claim-form/{key}/").status_code == 404, "the old link"

    workflow(claim("access: signed_in"))
    assert client.get("/forms/claim-form/")["Location"].endswith("/sign-in/?next=/forms/claim-form/")
    person = make_person("visitor", staff=False)
    theirs = sign_in(person)
    token = token_of(theirs.get("/forms/claim-form/"))
    assert send(client, GOOD, token=token).status_code == 422
    assert send(sign_in(stranger), GOOD, token=token).status_code == 422, "a page of somebody else"
    answer = send(theirs, GOOD, token=token)
    assert Event.objects.latest("id").headers == {"automate-started-by": "visitor"}
    assert AuditEntry.objects.filter(verb="workflow.form_answered").latest("id").actor == "visitor"
    assert theirs.get(answer["Location"]).status_code == 200
    assert sign_in(stranger).get(answer["Location"]).status_code == 404
    assert "/sign-in/" in client.get(answer["Location"])["Location"]


@pytest.mark.django_db
def test_a_form_is_closed_while_its_workflow_is_paused_and_after_its_end(workflow, sign_in, owner):
    made, client = workflow(claim("maximum_answers: 1")), sign_in()
    token = token_of(client.get("/forms/claim-form/"))
    pausing.pause(made, by=owner)
    assert client.get("/forms/claim-form/").status_code == 410
    assert send(client, GOOD, token=token).status_code == 410
    pausing.resume(made, by=owner)
    assert send(client, GOOD, token=token).status_code == 303
    assert "maximum number of answers" in client.get("/forms/claim-form/").content.decode()
    workflow(claim("closes_at: '2020-01-01T00:00'"))
    assert "its deadline has passed" in client.get("/forms/claim-form/").content.decode()
    assert Event.objects.count() == 1 and client.get("/forms/unknown/").status_code == 404


@pytest.mark.django_db
def test_sites_that_a_form_lists_may_embed_it(workflow, sign_in, settings):
    client = sign_in()
    workflow(claim())
    page = client.get("/forms/claim-form/")
    assert "frame-ancestors 'none'" in page["Content-Security-Policy"] and page["X-Frame-Options"] == "DENY"
    settings.AUTOMATE_FORM_REDIRECT_HOSTS = ["www.example.com"]
    workflow(claim("origins: ['https://www.example.com']\n    redirect: https://www.example.com/thanks"))
    page = client.get("/forms/claim-form/")
    policy = page["Content-Security-Policy"]
    assert "frame-ancestors 'self' https://www.example.com" in policy and "X-Frame-Options" not in page
    assert "form-action 'self' https://www.example.com" in policy
    assert send(client, GOOD)["Location"] == "https://www.example.com/thanks"
    settings.AUTOMATE_FORM_REDIRECT_HOSTS = []
    assert send(client, GOOD)["Location"].startswith("/forms/answer/"), "no longer allowed"


def after_first(pattern, work):
    """A wrapper of queries that does the work once, behind the first one that fits."""
    waiting = [work]

    def run(execute, sql, params, many, context):
        found = execute(sql, params, many, context)
        if waiting and re.search(pattern, sql):
            rows = context["cursor"].fetchall()
            waiting.pop()()
            context["cursor"].fetchmany = lambda size: [rows.pop(0) for _ in rows[:size]]
        return found

    return run


@pytest.mark.django_db(transaction=True)
def test_further_pages_are_shown_to_the_same_person(workflow, sign_in, drain):
    made, client = workflow(claim(pages=PAGES)), sign_in()
    address = send(client, GOOD)["Location"]
    waiting = client.get(address).content.decode()
    assert "as soon as it is ready" in waiting and 'hx-trigger="load delay:2s"' in waiting
    with connection.execute_wrapper(
        after_first(r'FROM "automate_core_(outboxjob|executionrun)"', lambda: settle(drain))
    ):
        between = client.get(address).content.decode()
    assert "as soon as it is ready" in between or "More about Anna" in between, "a worker started the run meanwhile"
    html = client.get(address).content.decode()
    assert "More about Anna" in html and "One more question." in html
    assert "Answer until " in html, "the timeout of its step"
    page = re.search(r'name="page" value="([^"]+)"', html)[1]
    assert client.post(address, {"page": page}).status_code == 422
    proof = SimpleUploadedFile("proof.txt", b"Proof", "text/plain")
    assert client.post(address, {"page": page, "form-reason": "storm", "form-proof": proof}).status_code == 303
    assert client.post(address, {"page": page, "form-reason": "flood"}).status_code == 303, "a second submit"
    settle(drain)
    assert "We will write to you." in client.get(address).content.decode()
    run = made.runs.get()
    output = run.steps.get(path="more").output
    assert (run.status, output["outcome"], output["form"]["reason"]) == ("succeeded", "submitted", "storm")
    assert output["form"]["proof"]["name"] == "proof.txt"
    assert StoredFile.objects.get().trace_id == run.trace_id
    assert AuditEntry.objects.filter(verb="run.form_answered").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_page_for_others_is_found_by_its_link_alone(workflow, sign_in, drain, owner, colleague):
    pages = PAGES.replace("timeout: 2d", "timeout: 2d\n    shown_to: link")
    made, client = workflow(claim(pages=pages)), sign_in()
    address = send(client, GOOD)["Location"]
    settle(drain)
    assert "We will write to you." in client.get(address).content.decode(), "the page is not theirs"
    run = made.runs.get()
    url = form_page_url(run.pk, "more")
    link = urlsplit(url).path
    step = reverse("studio:run_step", args=[run.pk, "more"])
    assert f'data-copy="{url}"' in sign_in(owner).get(step).content.decode()
    assign_perm("view_workflow", colleague, made)
    assert url not in sign_in(colleague).get(step).content.decode(), "who may answer has to be allowed to run it"
    page = client.get(link)
    assert "More about Anna" in page.content.decode()
    wait = Wait.objects.get(run=run)
    answer = client.post(link, {"page": str(wait.pk), "form-reason": "storm"})
    assert answer.status_code == 200 and "Thank you" in answer.content.decode()
    assert client.get(link).status_code == 410 and client.get(f"{link[:-2]}x/").status_code == 404
    settle(drain)
    assert run.steps.get(path="keep").output == {"reason": "storm"}


@pytest.mark.django_db
def test_a_preview_shows_the_draft(workflow, sign_in, owner, stranger):
    made = workflow(claim(), publish=False)
    path = f"/admin/automate/workflows/{made.pk}/forms/form/preview/"
    assert "Report a claim" in sign_in(owner).get(path).content.decode()
    assert sign_in(stranger).get(path).status_code == 404
    assert sign_in().get("/forms/claim-form/").status_code == 404


@pytest.mark.extended
@pytest.mark.django_db
def test_the_builder_makes_a_form(workflow, sign_in, owner):
    made = workflow("name: Empty\nslug: empty\nsteps: [{key: note, action: data.set, inputs: {a: 1}}]", publish=False)
    client, base = sign_in(owner), f"/admin/automate/workflows/{made.pk}/builder/"
    made.refresh_from_db()
    added = client.post(f"{base}do/", {"do": "add_trigger", "kind": "form", "rev": made.structure_rev})
    assert added.status_code == 200, added.content
    assert made.triggers.get().config == {"slug": "empty"}
    panel = client.get(f"{base}step/~trigger/").content.decode()
    assert "http" in panel and "/forms/empty/" in panel and "Preview" in panel
    values = {
        "trigger": "form", "rev": made.triggers.get().rev, "form.title": "Order", "form.inputs::rows": "1",
        "form.inputs::name": ["item"], "form.inputs::label": ["Item"], "form.inputs::kind": ["file"],
        "form.inputs::choices": [""], "form.inputs::required": ["true"], "form.inputs::help": [""],
        "form.inputs::minimum": [""], "form.inputs::maximum": ["5"], "form.inputs::accept": [".pdf, .png"],
        "form.origins::rows": "1", "form.origins::item": ["https://www.example.com"],
    }  # fmt: skip
    saved = client.post(f"{base}step/~trigger/", values)
    assert saved.status_code == 200
    assert "&lt;iframe" in saved.content.decode()
    assert made.triggers.get().config == {
        "slug": "empty", "title": "Order", "origins": ["https://www.example.com"],
        "inputs": [{"name": "item", "label": "Item", "kind": "file", "required": True, "maximum": 5, "accept": [".pdf", ".png"]}],
    }  # fmt: skip
    workflows.publish(made, author=owner)
    assert 'name="form-item"' in client.get("/forms/empty/").content.decode()
    proof = SimpleUploadedFile("proof.png", PNG, "image/png")
    assert send(sign_in(), {"form-item": proof}, "/forms/empty/").status_code == 303
    assert "proof.png" in client.get(f"{base}data/note/", {"open": '["event", "payload", "item"]'}).content.decode()


@pytest.mark.django_db
def test_the_help_of_a_field_stays_beside_its_error(workflow, sign_in):
    workflow(claim().replace("{name: amount,", "{name: amount, help: In euros,"))
    html = send(sign_in(), {**GOOD, "form-amount": "9000"}).content.decode()
    why = html.partition('id="form-amount-why"')[2].partition("</p>")[0]
    assert "Amount must be at most 5000." in why and "In euros" in why
