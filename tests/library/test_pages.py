"""The gallery, a new workflow and the first page, as HTML: what they show, to whom, and what comes of what is sent."""

from __future__ import annotations

import sys

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.core.checks import run_checks
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from automate_authoring import workflows
from automate_authoring.library import files
from automate_connectors.models import Connection
from automate_core.models import Workflow, WorkflowVersion
from automate_studio.library.views import build_picture
from automate_studio.view_models.step_tree import draft_tree
from tests.support.pages import Page
from tests.support.workflows import BRANCHING

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "admin:automate_core_workflow_changelist"


def _url(slug):
    return reverse("studio:template", args=[slug])


@pytest.fixture
def operator(db):
    """Of the staff, and without the permission to add workflows."""
    from tests.support.people import make_person

    return make_person("operator", "Operators")


def _shown(answer):
    return {
        a["href"].rstrip("/").rpartition("/")[2]
        for _, a in Page(answer).tags
        if "da-template" in a.get("class", "").split()
    }


# --- the gallery ------------------------------------------------------------------------------------------------------


@pytest.mark.extended
def test_the_gallery_shows_all_searches_and_sorts_by_category(sign_in, owner):
    client, url = sign_in(owner), reverse("studio:template_list")
    assert _shown(client.get(url)) == set(files.installed_templates())
    finance = {slug for slug, template in files.installed_templates().items() if template.category == "finance"}
    assert _shown(client.get(url, {"category": "finance"})) == finance and len(finance) >= 3
    assert _shown(client.get(url, {"q": "overdue invoices"})) == {"overdue-invoices-digest"}
    assert "github-issue-triage" in _shown(client.get(url, {"q": "llm"})), "by what it works with"
    assert _shown(client.get(url, {"q": "issue", "category": "finance"})) == set()
    assert "No templates match" in Page(client.get(url, {"q": "nothing of the kind"})).text


def test_the_gallery_asks_as_many_questions_as_one_template(sign_in, owner):
    client = sign_in(owner)
    client.get(reverse("studio:template_list"))
    with CaptureQueriesContext(
        connection,
    ) as found:
        client.get(reverse("studio:template_list"))
    assert len(found) <= 14, [query["sql"][:90] for query in found.captured_queries]


def test_what_is_there_has_a_tick(sign_in, owner):
    client = sign_in(owner)
    before = Page(client.get(_url("order-fraud-check"))).text
    assert "You have no connection of this kind yet." in before and "The group Fraud does not exist" in before
    Connection.objects.create(name="Our shop", slug="our-shop", connector="http", owner=owner, config={})
    Group.objects.create(name="Fraud")
    page = Page(client.get(_url("order-fraud-check")))
    assert "Our shop" in page.text and "The group Fraud does not exist" not in page.text
    chosen = [a["value"] for tag, a in page.tags if tag == "option" and "selected" in a]
    assert chosen == ["Fraud"], "an HTTP connection reaches any service: which one is for the person to say"
    assert "Choose the connection to this service, or connect it." in page.text


def test_a_template_shows_its_tree_and_its_sample(sign_in, owner):
    client = sign_in(owner)
    page = Page(client.get(_url("github-issue-triage")))
    assert page.ids["card-route-alert"]["role"] == "treeitem"
    copied = client.get(page.ids["jt-payload"]["data-url"], query_params={"copy": 1})
    assert '"number": 1347' in copied.content.decode() and "1347" in page.text and "Slack channel for bugs" in page.text
    assert page.ids["setting-model"]["value"] == "gpt-5-mini"
    assert sign_in(owner).get(_url("no-such-template")).status_code == 404


def test_every_picture_is_a_row_of_few_tiles():
    for template in files.installed_templates().values():
        drawn = build_picture(draft_tree(template.definition))
        assert 2 <= len(drawn.row) <= 5 and len(drawn.fork) in {0, 2}, template.slug


# --- using one --------------------------------------------------------------------------------------------------------


def test_a_draft_has_what_was_chosen_and_says_what_is_missing(sign_in, owner):
    Connection.objects.create(name="A", slug="shop-a", connector="http", owner=owner, config={})
    Connection.objects.create(name="B", slug="shop-b", connector="http", owner=owner, config={})
    given = {"connection-shop": "shop-b", "setting-limit": "250.5", "setting-team": "Fraud"}
    answer = sign_in(owner).post(_url("order-fraud-check"), given, follow=True)
    made = Workflow.objects.get()
    assert (made.slug, made.owner, made.run_as, made.status) == ("order-fraud-check", owner, owner, "draft")
    definition = workflows.load_definition(made)
    assert definition.vars == {"team": "Fraud", "limit": 250.5}
    [shop] = {step.connection for step in made.steps.all() if step.connection and step.action == "http.request"}
    assert shop == "shop-b"
    text = Page(answer).text
    assert "Before you publish it, set up: Email, Webhook: Shopify, Approvers." in text
    assert "there is no connection 'email'" in text.lower() or "problem" in text


def test_the_second_draft_has_a_slug_of_its_own(sign_in, owner, stranger):
    for person in (owner, owner, stranger):
        assert sign_in(person).post(_url("website-check")).status_code == 303
    made = Workflow.objects.order_by("pk").values_list("slug", "owner__username")
    assert list(made) == [("website-check", "owner"), ("website-check-2", "owner"), ("website-check-3", "stranger")]


def test_what_others_have_is_neither_offered_nor_taken(sign_in, owner, stranger):
    Connection.objects.create(name="Secret shop", slug="secret-shop", connector="http", owner=owner, config={})
    client = sign_in(stranger)
    assert "Secret shop" not in client.get(_url("order-fraud-check")).content.decode()
    client.post(_url("order-fraud-check"), {"connection-shop": "secret-shop"})
    assert "secret-shop" not in {step.connection for step in Workflow.objects.get().steps.all()}


@pytest.mark.matrix
@pytest.mark.parametrize("value", ["much", "", " ", "1e999", "nan", "9" * 31])
def test_a_number_that_is_none_is_said_at_its_field(sign_in, owner, value):
    answer = sign_in(owner).post(_url("order-fraud-check"), {"setting-limit": value})
    page = Page(answer)
    assert page.status == 422 and page.ids["setting-limit"]["aria-invalid"] == "true"
    assert page.ids["setting-limit"].get("value", "") == value and not Workflow.objects.exists()


def test_hostile_settings_are_inert(sign_in, owner):
    hostile = "\0<script>window.hacked=1</script>{{ 7*7 }}"
    answer = sign_in(owner).post(_url("website-check"), {"setting-channel": hostile}, follow=True)
    assert "<script>window" not in answer.content.decode()
    assert workflows.load_definition(Workflow.objects.get()).vars["channel"] == hostile[1:]


def test_all_of_it_takes_the_permission_to_add(sign_in, operator):
    client = sign_in(operator)
    for name in ("template_list", "workflow_new"):
        assert client.get(reverse(f"studio:{name}")).status_code == 403
    assert client.post(reverse("studio:workflow_new"), {"name": "Mine"}).status_code == 403
    assert client.post(reverse("studio:workflow_import"), {"text": BRANCHING}).status_code == 403
    assert client.get(_url("website-check")).status_code == client.post(_url("website-check")).status_code == 403
    assert not Workflow.objects.exists()
    listed = Page(client.get(reverse(LIST)))
    assert "Build your first workflow" not in listed.text and "New workflow" not in listed.text


# --- from scratch, and from a file ------------------------------------------------------------------------------------


@pytest.mark.extended
def test_from_scratch(sign_in, owner):
    client = sign_in(owner)
    assert client.get(reverse("studio:workflow_new")).status_code == 200
    for name, slug in (
        ("Rechnungen für März", "rechnungen-fur-marz"),
        ("発注", "workflow"),
        ("a_b -- c", "a-b-c"),
        ("発注", "workflow-2"),
    ):
        answer = client.post(reverse("studio:workflow_new"), {"name": name})
        made = Workflow.objects.latest("pk")
        assert answer["Location"] == reverse("studio:builder", args=[made.pk]) + "?step=~trigger"
        assert (made.name, made.slug) == (name, slug)
        assert client.get(answer["Location"]).status_code == 200
    for name in ("", "   ", "\0", "x" * 201):
        assert Page(client.post(reverse("studio:workflow_new"), {"name": name})).ids["name"]["aria-invalid"] == "true"


def _import(client, content, name="flow.yaml"):
    data = content if isinstance(content, bytes) else content.encode()
    return client.post(reverse("studio:workflow_import"), {"file": SimpleUploadedFile(name, data)})


def test_a_file_becomes_a_draft(sign_in, owner):
    client = sign_in(owner)
    answer = _import(client, b"\xef\xbb\xbf" + BRANCHING.encode())
    made = Workflow.objects.get()
    assert answer["Location"] == reverse("studio:builder", args=[made.pk])
    assert (made.slug, made.status, made.owner) == ("branching", "draft", owner)
    assert not WorkflowVersion.objects.exists()
    answer = client.post(reverse("studio:workflow_import"), {"text": BRANCHING}, follow=True)
    assert "Imported as “Branching (copy)”, because the workflow branching already exists." in Page(answer).text


def test_faults_are_shown_at_their_lines(sign_in, owner):
    text = BRANCHING.replace("action: data.set", "action: data.sat").replace("steps.first.output", "steps.frist.output")
    page = Page(_import(sign_in(owner), text))
    assert page.status == 422 and "Not imported: fix 3 errors." in page.text
    bad = [a["value"] for tag, a in page.tags if tag == "li" and a.get("class") == "faulty"]
    assert bad == [str(number) for number, line in enumerate(text.split("\n"), 1) if "sat" in line or "frist" in line]
    assert f"Line {bad[0]}: steps[0].action: The connector data has no action 'sat'" in page.text
    assert "frist" in page.text and not Workflow.objects.exists()


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "The file is empty."),
        (b"\xff\xfe\x00", "not UTF-8 text"),
        (b"name: [", "fault"),
        (b"name: {{ x }}", "Put quotes around"),
        (b"a: &x 1\nb: *x", "Aliases"),
        (b'name: "\\0"\nslug: x', "NUL"),
        (b"- just\n- a list", "fault"),
        (b"x" * 1_000_001, "larger than 1,000,000"),
        (b"name: " + b"[" * 100_000, "Nested more than 150 levels deep."),
        (b"name: x\nslug: <script>alert(1)</script>\n", "Use lowercase letters"),
        (b"name: .inf\nslug: x", "fault"),
    ],
)
def test_what_is_no_workflow_is_refused_with_a_reason(sign_in, owner, content, said):
    answer = _import(sign_in(owner), content)
    page = Page(answer)
    assert page.status == 422 and said in page.text and "faults" in page.ids
    assert "<script>alert" not in answer.content.decode() and not Workflow.objects.exists()


@pytest.mark.extended
def test_a_large_file_of_faults_makes_no_large_page(sign_in, owner):
    steps = "\n".join(f"  - {{key: Not A Key {n}, action: data.log}}" for n in range(900))
    answer = _import(sign_in(owner), f"name: x\nslug: x\nsteps:\n{steps}")
    assert answer.status_code == 422 and len(answer.content) < 300_000


# --- the first page ---------------------------------------------------------------------------------------------------


@pytest.mark.extended
def test_an_empty_site_shows_how_to_begin(sign_in, owner):
    client = sign_in(owner)
    page = Page(client.get(reverse(LIST)))
    assert "Build your first workflow" in page.text and _shown(client.get(reverse(LIST))) == set(
        files.installed_templates()
    )
    steps = [a for tag, a in page.tags if tag == "li" and a.get("class") in {"is-done", "is-next"}]
    assert [a["class"] for a in steps] == ["is-done", "is-next"], "signed in; a worker is next"
    assert "automate_worker" in page.text
    Connection.objects.create(name="A", slug="a", connector="http", owner=owner, config={})
    assert len([a for _, a in Page(client.get(reverse(LIST))).tags if a.get("class") == "is-done"]) == 2
    client.post(reverse("studio:workflow_new"), {"name": "Mine"})
    listed = Page(client.get(reverse(LIST)))
    assert "Build your first workflow" not in listed.text and "New workflow" in listed.text


# --- templates of other apps ------------------------------------------------------------------------------------------

ANOTHER = """
summary: Writes a line.
category: operations
sample: {payload: {}, reaches: [note]}
workflow:
  name: A line
  slug: a-line
  steps: [{key: note, action: data.log, inputs: {message: hello}}]
"""


@pytest.fixture
def another_app(tmp_path, monkeypatch, settings):
    """An installed app with a folder of templates."""
    package = tmp_path / "hostapp"
    monkeypatch.delitem(sys.modules, "hostapp", raising=False)  # that of another test
    (package / "automate_templates").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    for module in (admin, admin.sites):
        monkeypatch.setattr(module, "site", admin.site)  # Unfold puts a new one in its place when apps change
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "hostapp"]
    files.reload_templates()
    yield package / "automate_templates"
    files.reload_templates()


@pytest.mark.extended
def test_an_installed_app_brings_its_own(another_app, sign_in, owner):
    (another_app / "a-line.yaml").write_text(ANOTHER)
    client = sign_in(owner)
    assert "a-line" in _shown(client.get(reverse("studio:template_list")))
    assert client.post(_url("a-line")).status_code == 303 and Workflow.objects.get().slug == "a-line"


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("other", ("", ""), "must be the file's name, other"),
        ("a-line", ("category: operations", "category: nonsense"), "Line 3: category"),
        ("a-line", ("reaches: [note]", "reaches: [nobody]"), "the workflow has no step 'nobody'"),
        ("a-line", ("action: data.log", "action: http.request, connection: api"), "must list 'api'"),
        ("a-line", ("slug: a-line", "slug: a-line\n  vars: {x: 1}"), "settings: must list 'x'"),
        ("a-line", ("slug: a-line", "slug: a-line\n  nonsense: 1"), "Line 8: workflow.nonsense"),
        (
            "website-check",
            ("slug: a-line", "slug: website-check"),
            "the app automate_authoring already has a template of that name",
        ),
    ],
)
def test_a_file_that_is_none_is_a_warning_and_hides_no_other(another_app, name, change, said):
    (another_app / f"{name}.yaml").write_text(ANOTHER.replace(*change) if change[0] else ANOTHER)
    assert (
        len(files.installed_templates()) == len(files.installed_templates()) >= 12
        and "a-line" not in files.installed_templates()
    )
    [warning] = [each for each in run_checks() if each.id == "automate_core.W001"]
    assert said in warning.msg and f"{name}.yaml" in warning.msg
