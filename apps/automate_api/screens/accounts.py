"""Views of service accounts, for administrators."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from automate_api.models import ApiToken, ServiceAccount
from automate_api.screens.token_list import token_page
from automate_api.tokens.service_accounts import (
    AccountError,
    change_active,
    change_groups,
    create_account,
    find_account,
    grantable_groups,
    may_manage,
    may_read_all,
    service_accounts,
)
from automate_governance.admin_site import reverse
from automate_governance.people import names
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import SITE, NotPermittedError, Person, can
from automate_governance.texts import translated
from automate_operations.offboarding.holdings import open_runs, workflows_to_stop
from automate_operations.offboarding.lost_rights import LostRights, find_lost_rights
from automate_ui.navigation.admin_pages import question_response, render_page
from automate_ui.navigation.http import HttpResponseSeeOther, current_person
from automate_ui.navigation.lists import build_list_page, list_query, page_slice


class AccountForm(forms.Form):
    """A new service account."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=150,
        help_text=gettext_lazy("The username of the account, such as ci or warehouse-import."),
    )
    purpose = forms.CharField(label=gettext_lazy("Purpose"), max_length=200, required=False)


@require_safe
def account_list(request: HttpRequest) -> HttpResponse:
    """Service accounts with their groups and numbers of valid tokens."""
    by = _reader(request)
    kept = list_query(request.GET, {})
    found = _with_tokens(service_accounts()).prefetch_related("user__groups")
    if search := kept.search:
        found = found.filter(names.names_contain(search, path="user__") | Q(purpose__icontains=search))
    total = found.count()
    page = build_list_page(kept, list(found[page_slice(kept, total)]), {"": total}, tabs={}, filters=[])
    return render_page(
        request,
        "automate_api/accounts/list.html",
        _("Service accounts"),
        found=page,
        may_administer=can(by, "administer", SITE),
    )


@require_http_methods(["GET", "HEAD", "POST"])
def account_new(request: HttpRequest) -> HttpResponse:
    """The form of a new service account."""
    by = _administrator(request)
    form = AccountForm(request.POST if request.method == "POST" else None)
    groups = grantable_groups(by)
    chosen = _chosen_groups(request, groups)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            account = create_account(values["name"], by=by, purpose=values["purpose"], groups=chosen)
        except NotPermittedError as error:
            raise PermissionDenied from error
        except AccountError as error:
            form.add_error("name", translated(str(error)))
        else:
            messages.success(request, _("Service account created. Create a token for it."))
            return HttpResponseSeeOther(_account_url(account))
    status = 422 if form.errors else 200
    shown = {"form": form, "groups": _group_choices(groups, {group.pk for group in chosen})}
    return render_page(request, "automate_api/accounts/new.html", _("New service account"), status=status, **shown)


@require_http_methods(["GET", "HEAD", "POST"])
def account_page(request: HttpRequest, pk: str) -> HttpResponse:
    """A service account: its groups, which a POST changes, and its tokens. What would stop workflows is confirmed."""
    by = _administrator(request) if request.method == "POST" else _reader(request)
    account, user = _get_account(pk)
    may_change, groups = may_manage(by, user), grantable_groups(by)
    if request.method == "POST":
        chosen = _chosen_groups(request, groups)
        try:
            if "_permissions" not in request.POST:
                lost = find_lost_rights([user], lambda: change_groups(user, chosen, by=by))
                if lost:
                    return _ask_loss(request, user, lost)
            change_groups(user, chosen, by=by)
        except NotPermittedError as error:
            raise PermissionDenied from error
        messages.success(request, _("Groups saved."))
        return HttpResponseSeeOther(request.path)
    present = {group.pk: group for group in user.groups.order_by("name")}
    known = {group.pk for group in groups}
    return render_page(
        request,
        "automate_api/accounts/page.html",
        sign_in_name(user),
        account=account,
        user_of_account=user,
        groups=_group_choices(groups, set(present)) if may_change else [],
        fixed_groups=[group for key, group in present.items() if not may_change or key not in known],
        may_change=may_change,
        found=token_page(ApiToken.objects.filter(owner=user), by, request.GET, timezone.now()),
    )


def _ask_loss(request: HttpRequest, user: Person, lost: LostRights) -> HttpResponse:
    fields = [(key, value) for key, values in request.POST.lists() for value in values]
    return render_page(
        request,
        "automate_studio/people/lost_rights.html",
        _("Take permissions from %(name)s?") % {"name": sign_in_name(user)},
        fields=[field for field in fields if field[0] != "csrfmiddlewaretoken"],
        button=_("Save anyway"),
        back=request.path,
        **lost.page_context(),
    )


@require_http_methods(["GET", "HEAD", "POST"])
def account_active(request: HttpRequest, pk: str) -> HttpResponse:
    """The question before a deactivation; a POST deactivates or activates the account."""
    by = _administrator(request)
    _account, user = _get_account(pk)
    if not may_manage(by, user):
        raise PermissionDenied
    if request.method != "POST":
        template, back = "automate_api/accounts/deactivate.html", _account_url(user)
        return question_response(
            request,
            template,
            sign_in_name(user),
            user_of_account=user,
            back=back,
            workflows=list(workflows_to_stop(user).values_list("name", flat=True)),
            open_runs=open_runs(user).count(),
        )
    active = request.POST.get("do") == "activate"
    change_active(user, active, by=by)
    said = _("%(account)s is active again.") if active else _("%(account)s was deactivated. Its tokens are refused.")
    messages.success(request, said % {"account": sign_in_name(user)})
    return HttpResponseSeeOther(_account_url(user))


def _administrator(request: HttpRequest) -> Person:
    """The signed-in person, who administers the site. Raises PermissionDenied."""
    by = current_person(request)
    if not can(by, "administer", SITE):
        raise PermissionDenied
    return by


def _reader(request: HttpRequest) -> Person:
    """The signed-in person, who administers or audits the site. Raises PermissionDenied."""
    by = current_person(request)
    if not may_read_all(by):
        raise PermissionDenied
    return by


def _get_account(pk: str) -> tuple[ServiceAccount, Person]:
    user = find_account(pk)
    if user is None:
        raise Http404
    return service_accounts().get(pk=user.pk), user


def _account_url(user: Person) -> str:
    return reverse("api_screens:account", args=[user.pk])


def _with_tokens(accounts: QuerySet[ServiceAccount]) -> QuerySet[Any]:
    """Accounts with `tokens`, the number of their valid tokens, and `last_used_at`."""
    mine = ApiToken.objects.filter(owner=OuterRef("pk")).order_by()
    valid = mine.filter(revoked_at=None, expires_at__gt=timezone.now())
    number = valid.values("owner").annotate(number=Count("pk")).values("number")
    used = mine.filter(last_used_at__isnull=False).order_by("-last_used_at").values("last_used_at")[:1]
    return accounts.annotate(tokens=Subquery(number), last_used_at=Subquery(used))


def _chosen_groups(request: HttpRequest, groups: list[Group]) -> list[Group]:
    keys = set(request.POST.getlist("groups"))
    return [group for group in groups if str(group.pk) in keys]


def _group_choices(groups: list[Group], chosen: set[int]) -> list[tuple[Group, bool]]:
    """Groups, and whether each is ticked."""
    return [(group, group.pk in chosen) for group in groups]
