"""Screens of tokens and service accounts: who may open them, what they show, and the token that is shown once."""

from __future__ import annotations

import datetime as dt
import logging
import re

import pytest
from django.contrib.auth.models import Group, Permission
from django.urls import reverse
from django.utils import timezone, translation
from guardian.shortcuts import assign_perm

from automate_api.models import ApiToken, ServiceAccount
from automate_api.screens.scope_words import scope_words
from automate_api.screens.urls import urlpatterns
from automate_api.tokens import issuing
from automate_api.tokens.credentials import parse_token
from automate_api.tokens.scopes import all_scopes
from automate_api.tokens.service_accounts import create_account
from automate_governance.models import AuditEntry
from tests.support.pages import Page
from tests.support.people import make_person
from tests.support.workflows import STARTED_BY_HAND

pytestmark = pytest.mark.django_db

LIST, NEW, ALL = (reverse(f"api_screens:{name}") for name in ("token_list", "token_new", "all_tokens"))
ACCOUNTS = reverse("api_screens:account_list")
TOKEN = re.compile(r"dat_[0-9A-Za-z]{8}_[0-9A-Za-z_-]{43}[0-9A-Za-z]{6}")
VALID = {"name": "CI", "scopes": ["workflow:view", "workflow:run"], "limit": "", "expiry": "90", "days": ""}


def rotate_url(token):
    return reverse("api_screens:token_rotate", args=[token.pk])


def revoke_url(token):
    return reverse("api_screens:token_revoke", args=[token.pk])


def account_url(account):
    return reverse("api_screens:account", args=[account.pk])


@pytest.fixture
def administrator():
    """Administers the site, and is no superuser."""
    person = make_person("boss")
    person.user_permissions.set(Permission.objects.filter(codename__in=["administer_site", "view_any_workflow"]))
    return person


@pytest.fixture
def token(owner):
    return issuing.create_token(owner, by=owner, name="Nightly import", scopes=["workflow:view", "workflow:run"])[0]


@pytest.fixture
def account(admin):
    return create_account("ci", by=admin, purpose="Deployments", groups=Group.objects.filter(name="Operators"))


# --- who may ----------------------------------------------------------------------------------------------------------


def addresses(token, account):
    keys = {
        "token_rotate": [token.pk],
        "token_revoke": [token.pk],
        "account": [account.pk],
        "account_active": [account.pk],
    }
    return {
        (method, pattern.name): reverse(f"api_screens:{pattern.name}", args=keys.get(pattern.name))
        for pattern in urlpatterns
        for method in ("get", "post")
    }


#: owner of the token, other people, an administrator who is no superuser, nobody
MATRIX = {
    ("get", "reference"): (200, 200, 200, 302),
    ("post", "reference"): (405, 405, 405, 302),
    ("get", "token_list"): (200, 200, 200, 302),
    ("post", "token_list"): (405, 405, 405, 302),
    ("get", "all_tokens"): (403, 403, 200, 302),
    ("post", "all_tokens"): (405, 405, 405, 302),
    ("get", "token_new"): (200, 200, 200, 302),
    ("post", "token_new"): (422, 422, 422, 302),
    ("get", "token_workflows"): (200, 200, 200, 302),
    ("post", "token_workflows"): (405, 405, 405, 302),
    ("get", "token_rotate"): (200, 404, 404, 302),
    ("post", "token_rotate"): (422, 404, 404, 302),
    ("get", "token_revoke"): (200, 404, 200, 302),
    ("post", "token_revoke"): (303, 404, 303, 302),
    ("get", "account_list"): (403, 403, 200, 302),
    ("post", "account_list"): (405, 405, 405, 302),
    ("get", "account_new"): (403, 403, 200, 302),
    ("post", "account_new"): (403, 403, 422, 302),
    ("get", "account"): (403, 403, 200, 302),
    ("post", "account"): (403, 403, 403, 302),
    ("get", "account_active"): (403, 403, 403, 302),
    ("post", "account_active"): (403, 403, 403, 302),
}


def test_everybody_is_asked_at_every_address(token, account, sign_in, owner, stranger, administrator):
    urls = addresses(token, account)
    assert urls.keys() == MATRIX.keys()
    people = [sign_in(person) for person in (owner, stranger, administrator, None)]
    answered = {key: tuple(getattr(client, key[0])(url).status_code for client in people) for key, url in urls.items()}
    assert answered == MATRIX


def test_auditors_read_tokens_and_accounts_and_change_none(token, account, admin, sign_in):
    made, _plain = issuing.create_token(account, by=admin, name="Deploy", scopes=["workflow:view"])
    client = sign_in(make_person("aud", "Auditors"))
    listed = client.get(ALL).content.decode()
    assert "Nightly import" in listed and "Deploy" in listed and token.prefix in listed
    assert rotate_url(token) not in listed and revoke_url(token) not in listed and revoke_url(made) not in listed
    accounts = client.get(ACCOUNTS).content.decode()
    assert "Deployments" in accounts and reverse("api_screens:account_new") not in accounts
    page = client.get(account_url(account)).content.decode()
    assert "Deploy" in page and "Save groups" not in page and revoke_url(made) not in page
    assert client.post(account_url(account), {"groups": []}).status_code == 403
    assert client.post(revoke_url(made)).status_code == 404 and client.post(rotate_url(made)).status_code == 404
    assert client.get(reverse("api_screens:account_new")).status_code == 403
    mine = client.get(LIST).content.decode()
    assert f'href="{ALL}"' in mine and ACCOUNTS in mine


def test_people_who_are_not_staff_have_no_tokens_page(sign_in):
    answer = sign_in(make_person("approver", staff=False)).get(LIST)
    assert answer.status_code == 302 and answer["Location"].startswith("/admin/login/")


@pytest.mark.extended
def test_forms_carry_their_token_and_no_script(token, account, sign_in, admin):
    client = sign_in(admin)
    for (method, name), url in addresses(token, account).items():
        html = client.get(url).content.decode()
        assert not re.search(
            r"<[^>]*\son[a-z]+=|hx-on|<script(?![^>]*\ssrc=)[^>]*>\s*\S", html.partition("da-root")[2]
        ), name
        for form in re.findall(r'<form\b[^>]*method="post".*?</form>', html, re.DOTALL):
            assert "csrfmiddlewaretoken" in form, (method, name)


def test_entries_in_sidebar_menu_and_palette(sign_in, owner, admin):
    html = sign_in(owner).get(LIST).content.decode()
    assert html.count(f'href="{LIST}"') >= 2 and ACCOUNTS not in html
    assert reverse("studio:help_page", args=["tokens"]) in html
    assert ACCOUNTS in sign_in(admin).get(LIST).content.decode()

    def found(person, text):
        return sign_in(person).get(reverse("admin:search"), {"s": text}).content.decode()

    assert NEW in found(owner, "new api token") and LIST in found(owner, "api tokens")
    assert ALL not in found(owner, "all api") and ALL in found(admin, "all api")
    assert reverse("api_screens:account_new") in found(admin, "new service")


# --- one's own tokens ---------------------------------------------------------------------------------------------------


def test_empty_list_says_what_tokens_are_for(sign_in, owner):
    page = Page(sign_in(owner).get(LIST))
    assert "No API tokens yet" in page.text and "never more than you have" in page.text


def test_token_is_shown_exactly_once(sign_in, owner, api, caplog):
    caplog.set_level(logging.DEBUG)
    client = sign_in(owner)
    answer = client.post(NEW, VALID)
    html = answer.content.decode()
    [plain] = set(TOKEN.findall(html))
    assert answer.status_code == 200 and "no-store" in answer["Cache-Control"]
    assert html.count(plain) == 2, "its text, and what its button copies"
    assert "curl -H" in html and "/api/v1/workflows" in html
    made = ApiToken.objects.get()
    assert parse_token(plain).digest == made.digest and made.scopes == ["workflow:run", "workflow:view"]
    assert dt.timedelta(days=89) < made.expires_at - timezone.now() <= dt.timedelta(days=90)
    later = client.get(LIST).content.decode()
    assert f"dat_{made.prefix}_" in later and not TOKEN.search(later)
    secret = plain.removeprefix(f"dat_{made.prefix}_")
    assert secret not in caplog.text
    assert secret not in str([vars(entry) for entry in AuditEntry.objects.all()])
    assert secret not in str(dict(client.session)) and not client.get(LIST).context["messages"]
    assert api(None).get("workflows", Authorization=f"Bearer {plain}").status_code == 200


def test_only_held_permissions_are_offered(sign_in, owner, admin):
    def offered(person):
        return {each["value"] for each in Page(sign_in(person).get(NEW)).all(name="scopes")}

    mine = offered(owner)
    assert {"workflow:view", "workflow:run", "connection:add", "event:send"} <= mine
    assert not mine & {"workflow:operate", "site:operate"}
    assert offered(admin) == set(all_scopes())
    refused = sign_in(owner).post(NEW, {**VALID, "scopes": ["site:operate"]})
    assert refused.status_code == 422 and not ApiToken.objects.exists()


def test_every_scope_has_words_in_german_too():
    with translation.override("de"):
        german = {scope: str(scope_words(scope)) for scope in all_scopes()}
    for scope in all_scopes():
        assert scope_words(scope) not in {scope, german[scope]}, scope


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": ""}, "This field is required."),
        ({"scopes": []}, "Choose at least one permission."),
        ({"expiry": "custom"}, "Enter a number of days."),
        ({"expiry": "custom", "days": "99999"}, "less than or equal to 3650"),
        ({"expiry": "7"}, ""),
        ({"limit": "some"}, "Choose at least one workflow."),
        ({"limit": "some", "workflows": ["999", "x", "9" * 30]}, ""),
        ({"name": "a\0b"}, ""),
    ],
)
def test_faulty_form_is_shown_again(sign_in, owner, changed, said):
    answer = sign_in(owner).post(NEW, {**VALID, **changed})
    assert answer.status_code == 422 and said in Page(answer).text
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("hidden", [{"days": "one year"}, {"workflows": ["x"]}])
def test_values_of_hidden_fields_are_ignored(sign_in, owner, hidden):
    assert sign_in(owner).post(NEW, {**VALID, **hidden}).status_code == 200
    assert ApiToken.objects.get().workflows is None


def test_token_is_limited_to_chosen_workflows(sign_in, owner, stranger, workflow):
    made, other = (
        workflow(STARTED_BY_HAND),
        workflow(STARTED_BY_HAND.replace("leads", "others", 1).replace("Leads", "Others", 1)),
    )
    client = sign_in(owner)
    fragment = Page(client.get(reverse("api_screens:token_workflows"), {"find": "LEADS", "workflows": [other.pk]}))
    ticked = {each["value"]: "checked" in each for each in fragment.all(name="workflows")}
    assert ticked == {str(other.pk): True, str(made.pk): False}
    values = {**VALID, "limit": "some", "workflows": [made.pk], "expiry": "custom", "days": "5"}
    assert client.post(NEW, values).status_code == 200
    token = ApiToken.objects.get()
    assert token.workflows == [made.pk]
    text = Page(client.get(LIST)).text
    assert made.name in text and "Expires soon" in text and "Run workflows" in text
    assert sign_in(stranger).post(NEW, values).status_code == 422, "workflows that they may not view"
    assert f'value="{made.pk}"' not in sign_in(stranger).get(reverse("api_screens:token_workflows")).content.decode()


def test_rotation_shows_the_new_token_once_and_keeps_the_old_for_a_while(sign_in, owner, api, token):
    client = sign_in(owner)
    assert "Rotate Nightly import" in Page(client.get(rotate_url(token), headers={"HX-Request": "true"})).text
    answer = client.post(rotate_url(token), {"overlap_seconds": "3600", "expiry": "30"})
    [plain] = set(TOKEN.findall(answer.content.decode()))
    assert answer.status_code == 200 and "no-store" in answer["Cache-Control"]
    assert "The previous token expires" in Page(answer).text
    token.refresh_from_db()
    assert token.has_old_secret and parse_token(plain).digest == token.digest
    assert "Previous token expires" in Page(client.get(LIST)).text
    issuing.revoke_token(token, by=owner)
    refused = client.post(rotate_url(token), {"overlap_seconds": "0", "expiry": "30"})
    assert refused.status_code == 422 and "is revoked" in Page(refused).text


def test_revocation_asks_first_and_holds_at_once(sign_in, owner, api):
    mine = api(owner, "workflow:view")
    client = sign_in(owner)
    assert "cannot be undone" in Page(client.get(revoke_url(mine.token), headers={"HX-Request": "true"})).text
    assert mine.get("workflows").status_code == 200
    answer = client.post(revoke_url(mine.token))
    assert (answer.status_code, answer["Location"]) == (303, LIST)
    assert mine.get("workflows").status_code == 401
    assert "Token test revoked." in Page(client.get(LIST)).text
    ended = client.get(LIST, {"show": "ended"})
    assert "Revoked" in Page(ended).text and revoke_url(mine.token) not in ended.content.decode()


def test_expired_tokens_are_greyed(sign_in, owner, token):
    ApiToken.objects.update(expires_at=timezone.now() - dt.timedelta(days=1))
    client = sign_in(owner)
    assert "Nightly import" not in Page(client.get(LIST)).text
    page = Page(client.get(LIST, {"show": "ended"}))
    assert "Expired" in page.text and page.all(class_="ended")


# --- all tokens ---------------------------------------------------------------------------------------------------------


def test_administrators_filter_search_and_revoke(sign_in, owner, colleague, administrator, token):
    other = issuing.create_token(colleague, by=colleague, name="Export", scopes=["workflow:view"])[0]
    client = sign_in(administrator)
    both, mine = Page(client.get(ALL)).text, Page(client.get(LIST)).text
    assert "Nightly import" in both and "Export" in both and "Export" not in mine

    def shown(**query):
        text = Page(client.get(ALL, query, headers={"HX-Request": "true", "HX-Target": "list"})).text
        return {name for name in ("Nightly import", "Export") if name in text}

    assert shown(owner="owner") == {"Nightly import"} and shown(q="colleague") == {"Export"}
    assert shown(q=f"dat_{other.prefix}") == {"Export"} and shown(q="nothing") == set()
    assert client.post(revoke_url(other))["Location"] == ALL
    assert shown() == {"Nightly import"}
    assert rotate_url(token) not in client.get(ALL).content.decode(), "they would act as somebody else"
    entry = AuditEntry.objects.get(verb="token.revoked")
    assert entry.actor == "boss"


def test_pasted_token_is_not_repeated(sign_in, admin, owner):
    _token, plain = issuing.create_token(owner, by=owner, name="x", scopes=["workflow:view"])
    html = sign_in(admin).get(ALL, {"q": plain}).content.decode()
    assert plain[:12] in html and plain not in html


def test_names_of_workflows_that_one_may_not_view_are_not_shown(sign_in, owner, workflow):
    made = workflow(STARTED_BY_HAND)
    issuing.create_token(owner, by=owner, name="x", scopes=["workflow:view"], workflows=[made])
    boss = make_person("other-boss")
    assign_perm("automate_governance.administer_site", boss)
    text = Page(sign_in(boss).get(ALL)).text
    assert made.name not in text and "1 that you cannot view" in text


@pytest.mark.extended
def test_pages_of_many_tokens_cost_a_fixed_number_of_queries(
    sign_in, admin, owner, workflow, django_assert_max_num_queries
):
    made, client = workflow(STARTED_BY_HAND), sign_in(admin)
    for number in range(30):
        issuing.create_token(owner, by=owner, name=f"t{number}", scopes=["workflow:view"], workflows=[made])
    client.get(ALL)
    with django_assert_max_num_queries(16):
        page = Page(client.get(ALL))
    assert "1 to 24 of 30" in page.text
    assert "25 to 30 of 30" in Page(client.get(ALL, {"page": "2"})).text
    assert client.get(ALL, {"page": "x"}).status_code == client.get(ALL, {"page": "99"}).status_code == 200


# --- service accounts -----------------------------------------------------------------------------------------------------


def test_account_is_a_user_without_password_who_cannot_sign_in(sign_in, admin):
    group = Group.objects.get(name="Operators")
    values = {"name": "warehouse", "purpose": "Stock import", "groups": [group.pk]}
    answer = sign_in(admin).post(reverse("api_screens:account_new"), values)
    made = ServiceAccount.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, account_url(made))
    assert not made.user.has_usable_password() and not made.user.is_staff and not made.user.is_superuser
    assert list(made.user.groups.all()) == [group] and made.created_by == admin
    text = Page(sign_in(admin).get(ACCOUNTS)).text
    assert "warehouse" in text and "Stock import" in text and "Operators" in text
    again = sign_in(admin).post(reverse("api_screens:account_new"), {"name": "warehouse"})
    assert again.status_code == 422 and ServiceAccount.objects.count() == 1


def test_tokens_of_an_account(sign_in, admin, account, api):
    client = sign_in(admin)
    form = Page(client.get(NEW, {"account": account.pk}))
    offered = {each["value"] for each in form.all(name="scopes")}
    assert "workflow:operate" in offered and "workflow:publish" not in offered, "what the account has"
    answer = client.post(NEW, {**VALID, "account": account.pk})
    [plain] = set(TOKEN.findall(answer.content.decode()))
    made = ApiToken.objects.get()
    assert made.owner == account and "it acts as ci" in Page(answer).text
    assert "CI" in Page(client.get(account_url(account))).text
    assert api(None).get("workflows", Authorization=f"Bearer {plain}").status_code == 200
    assert client.post(revoke_url(made))["Location"] == account_url(account)


def test_inactive_account_is_refused_and_can_come_back(sign_in, admin, account, api):
    token, client = api(account, "workflow:view"), sign_in(admin)
    active = reverse("api_screens:account_active", args=[account.pk])
    assert "Deactivate ci" in Page(client.get(active, headers={"HX-Request": "true"})).text
    assert client.post(active, {"do": "deactivate"}).status_code == 303
    assert token.get("workflows").status_code == 401
    assert "Owner inactive" in Page(client.get(account_url(account))).text
    client.post(active, {"do": "activate"})
    assert token.get("workflows").status_code == 200


def test_administrators_grant_only_what_they_have(sign_in, administrator, account):
    """Else a token of an account would give an administrator further permissions."""
    group = Group.objects.create(name="Readers")
    group.permissions.set(Permission.objects.filter(codename="view_any_workflow"))
    builders = Group.objects.get(name="Builders")
    client = sign_in(administrator)
    values = {"name": "reader", "groups": [group.pk, builders.pk]}
    assert client.post(reverse("api_screens:account_new"), values).status_code == 303
    reader = ServiceAccount.objects.get(user__username="reader").user
    assert list(reader.groups.all()) == [group]
    assert client.post(NEW, {**VALID, "scopes": ["workflow:view"], "account": reader.pk}).status_code == 200
    assert client.post(NEW, {**VALID, "account": account.pk}).status_code == 404, "the account has more than they"
    page = client.get(account_url(account))
    assert page.status_code == 200 and "Operators" in Page(page).text and "Save groups" not in Page(page).text
    reader.groups.add(builders)
    client.post(account_url(reader), {"groups": []})
    assert set(reader.groups.all()) == {group, builders}, "it has more than they by now"
    assert client.get(reverse("api_screens:account", args=["0"])).status_code == 404
    assert client.get(reverse("api_screens:account", args=["x"])).status_code == 404


def test_account_of_a_person_is_none(sign_in, admin, owner):
    client = sign_in(admin)
    assert client.get(reverse("api_screens:account", args=[owner.pk])).status_code == 404
    assert client.post(NEW, {**VALID, "account": owner.pk}).status_code == 404
