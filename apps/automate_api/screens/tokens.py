"""Views of tokens: those of the person, and all of them for administrators."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from automate_api.models import ApiToken
from automate_api.screens.rotation_form import RotationForm
from automate_api.screens.token_form import TokenForm, build_workflow_choice, find_chosen, selectable_workflows
from automate_api.screens.token_list import token_page
from automate_api.tokens import issuing
from automate_api.tokens.scopes import UnknownScopeError
from automate_api.tokens.service_accounts import find_account, is_service_account, may_manage, may_read_all
from automate_governance.admin_site import reverse
from automate_governance.middleware import show_once
from automate_governance.permissions import SITE, NotPermittedError, Person, can
from automate_governance.texts import translated
from automate_ui.navigation.admin_pages import list_response, question_response, render_page
from automate_ui.navigation.http import HttpResponseSeeOther, clean_text, current_person

LIST = "automate_api/tokens/list.html"


@require_safe
def token_list(request: HttpRequest) -> HttpResponse:
    """The tokens of the person."""
    by = current_person(request)
    mine = ApiToken.objects.filter(owner=by)
    found = token_page(mine, by, request.GET, timezone.now())
    url = reverse("api_screens:token_list")
    return list_response(request, LIST, _("API tokens"), url, found, is_all=False, may_read_all=may_read_all(by))


@require_safe
def all_tokens(request: HttpRequest) -> HttpResponse:
    """The tokens of all owners, for administrators, and for auditors to read."""
    by = current_person(request)
    if not may_read_all(by):
        raise PermissionDenied
    found = token_page(ApiToken.objects.all(), by, request.GET, timezone.now(), has_owners=True)
    url = reverse("api_screens:all_tokens")
    return list_response(request, LIST, _("All API tokens"), url, found, is_all=True)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def token_new(request: HttpRequest) -> HttpResponse:
    """The form of a token of the person, or of a service account; a POST shows the new token, once."""
    by = current_person(request)
    owner = _owner(request, by)
    form = TokenForm(request.POST if request.method == "POST" else None, owner=owner, by=by)
    if request.method == "POST" and form.is_valid():
        try:
            token, plain = issuing.create_token(owner, by=by, **form.token_values)
        except NotPermittedError as error:
            raise PermissionDenied from error
        except (issuing.TokenError, UnknownScopeError) as error:
            form.add_error(None, translated(str(error)))
        else:
            return _shown_once(request, token, plain, _("Token created"))
    choice = build_workflow_choice(form.selectable, form.chosen, "")
    return render_page(
        request,
        "automate_api/tokens/new.html",
        _("New API token"),
        status=422 if form.errors else 200,
        form=form,
        account=owner if owner.pk != by.pk else None,
        choice=choice,
        back=_back(owner, by),
    )


@require_safe
def token_workflows(request: HttpRequest) -> HttpResponse:
    """Workflows to choose, by name, for htmx: those chosen so far stay."""
    by = current_person(request)
    selectable = selectable_workflows(_owner(request, by), by)
    search = clean_text(request.GET.get("find"))
    choice = build_workflow_choice(selectable, find_chosen(selectable, request.GET.getlist("workflows")), search)
    return TemplateResponse(request, "automate_api/tokens/workflow_choice.html", {"choice": choice})


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def token_rotate(request: HttpRequest, pk: int) -> HttpResponse:
    """The question before a rotation; a POST shows the new token, once."""
    by = current_person(request)
    token = _get_token(by, pk)
    if token.owner_id != by.pk and not may_manage(by, token.owner):
        raise Http404
    form = RotationForm(request.POST if request.method == "POST" else None)
    problem = ""
    if request.method == "POST" and form.is_valid():
        try:
            plain = issuing.rotate_token(token, by=by, overlap=form.overlap, days=form.days)
        except NotPermittedError as error:
            raise PermissionDenied from error
        except issuing.TokenError as error:
            problem = translated(str(error))
        else:
            token.refresh_from_db()
            return _shown_once(request, token, plain, _("Token rotated"))
    return _question(request, "rotate", token, by, form=form, problem=problem)


@require_http_methods(["GET", "HEAD", "POST"])
def token_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """The question before a revocation; a POST revokes."""
    by = current_person(request)
    token = _get_token(by, pk)
    if request.method != "POST":
        return _question(request, "revoke", token, by)
    try:
        issuing.revoke_token(token, by=by)
    except NotPermittedError as error:
        raise PermissionDenied from error
    messages.success(request, _("Token %(name)s revoked.") % {"name": token.name})
    return HttpResponseSeeOther(_back(token.owner, by))


def _question(request: HttpRequest, name: str, token: ApiToken, by: Person, **more: Any) -> HttpResponse:
    """A question about a token."""
    return question_response(
        request,
        f"automate_api/tokens/{name}.html",
        token.name,
        status=422 if request.method == "POST" else 200,
        token=token,
        back=_back(token.owner, by),
        is_mine=token.owner_id == by.pk,
        **more,
    )


def _shown_once(request: HttpRequest, token: ApiToken, plain: str, title: str) -> HttpResponse:
    """The only page that ever holds the token's text. Nothing keeps a copy of it."""
    api = urljoin(settings.AUTOMATE_SITE_URL, reverse("automate_api:list_workflows"))
    response = render_page(
        request,
        "automate_api/tokens/once.html",
        title,
        token=token,
        plain=plain,
        example=f'curl -H "Authorization: Bearer $AUTOMATE_TOKEN" {api}',
        is_mine=token.owner_id == request.user.pk,
        back=_back(token.owner, current_person(request)),
    )
    show_once(response, plain)
    response["Cache-Control"] = "no-store"
    return response


def _owner(request: HttpRequest, by: Person) -> Person:
    """The person, or the service account named in the request that they may manage. Raises Http404."""
    key = request.POST.get("account") or request.GET.get("account")
    if not key:
        return by
    account = find_account(key)
    if account is None or not may_manage(by, account):
        raise Http404
    return account


def _get_token(by: Person, pk: int) -> ApiToken:
    """A token of the person, or any for administrators. Raises Http404."""
    token = get_object_or_404(ApiToken.objects.select_related("owner"), pk=pk)
    if token.owner_id != by.pk and not can(by, "administer", SITE):
        raise Http404
    return token


def _back(owner: Person, by: Person) -> str:
    """Page of the list that has the owner's tokens."""
    if owner.pk == by.pk:
        return reverse("api_screens:token_list")
    if is_service_account(owner):
        return reverse("api_screens:account", args=[owner.pk])
    return reverse("api_screens:all_tokens")
