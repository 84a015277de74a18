"""Admin mixin for a project's user model: accounts that own something are handed over, never deleted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import flatten_fieldsets
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action

from automate_core.models import Workflow
from automate_governance.admin_site import reverse
from automate_governance.people.names import sign_in_name
from automate_governance.people.role_giving import may_give_roles
from automate_operations.offboarding import holdings
from automate_operations.offboarding.lost_approvals import find_lost_approvals
from automate_studio.people.hand_over import hand_over_url, object_url, remainder_views
from automate_studio.people.rights_change import RightsMixin
from automate_studio.people.sign_ins import lock_text
from automate_ui.admin_page import render_page


class HandOverMixin(RightsMixin):
    """Put it before `ModelAdmin`: `class ClerkAdmin(HandOverMixin, ModelAdmin)`.

    Deleting an account that owns something, or that the history names, leads to the page Hand over; so does
    deactivating one that owns something, which asks first if workflows or programs would stop. Taking permissions that
    published workflows need asks first, too. With Unfold's `ModelAdmin` the account's page has a button for it.
    """

    actions_detail: Iterable[Any] = ("hand_over",)

    @action(description=_("Hand over"), url_path="hand-over", permissions=["hand_over"])  # type: ignore[untyped-decorator]
    def hand_over(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Redirect to the page of this person."""
        person = get_object_or_404(self.model, pk=object_id)  # type: ignore[attr-defined]
        return redirect(hand_over_url(person))

    def has_hand_over_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return bool(request.user.is_superuser)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Django's own page. Deactivating an account for which workflows run is confirmed first."""
        person = self.get_object(request, object_id) if object_id else None  # type: ignore[attr-defined]
        if person is not None and self._deactivates(request, person):
            effects = _deactivation_effects(person)
            if any(effects.values()):
                return self._ask_deactivation(request, person, effects)
        answer: HttpResponse = super().changeform_view(request, object_id, form_url, extra_context)
        return answer

    def _deactivates(self, request: HttpRequest, person: Any) -> bool:
        """Whether the request asks for that, and has not been confirmed."""
        return bool(
            request.method == "POST"
            and person.is_active
            and "is_active" not in request.POST
            and "_deactivate" not in request.POST
            and not request.FILES
            and "is_active" in flatten_fieldsets(self.get_fieldsets(request, person))  # type: ignore[attr-defined]
            and "is_active" not in self.get_readonly_fields(request, person)  # type: ignore[attr-defined]
            and self.has_change_permission(request, person)  # type: ignore[attr-defined]
        )

    def _ask_deactivation(self, request: HttpRequest, person: Any, effects: dict[str, Any]) -> HttpResponse:
        fields = [(name, value) for name, values in request.POST.lists() for value in values]
        return render_page(
            request,
            "automate_studio/people/deactivate.html",
            gettext("Deactivate %(person)s?") % {"person": sign_in_name(person)},
            person=person,
            **effects,
            fields=[field for field in fields if field[0] != "csrfmiddlewaretoken"],
            hand_over=hand_over_url(person) if request.user.is_superuser else "",
            back=request.get_full_path(),
        )

    def delete_view(self, request: HttpRequest, object_id: str, *args: Any, **options: Any) -> HttpResponse:
        """Django's own page for an account without a history, else the page Hand over."""
        person = self.get_object(request, object_id)  # type: ignore[attr-defined]
        if person is None or holdings.may_be_deleted(person) or not request.user.is_superuser:
            answer: HttpResponse = super().delete_view(request, object_id, *args, **options)
            return answer
        messages.warning(request, _WHY_OF % {"person": person})
        return redirect(hand_over_url(person))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Objects that protect an account, for its page and for the list's action."""
        deleted, counts, lacking, protected = super().get_deleted_objects(objs, request)  # type: ignore[misc]
        kept = [str(_WHY_OF % {"person": person}) for person in objs if not holdings.may_be_deleted(person)]
        return deleted, counts, lacking, [*protected, *kept]

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """Redirect to the page Hand over after an account that owns something was deactivated."""
        answer: HttpResponse = super().response_change(request, obj)  # type: ignore[misc]
        if getattr(obj, "is_active", True) or not request.user.is_superuser or not holdings.find_holdings(obj):
            return answer
        messages.warning(request, _("%(person)s was deactivated. Hand over the objects listed here.") % {"person": obj})
        return redirect(hand_over_url(obj))


class SignInMixin:
    """Shows on an account's page whether its sign-in is locked, with a button for the page that unlocks it.

    Put it before `ModelAdmin`, and `sign_in_state` into `readonly_fields`. It is for people who may change accounts.
    """

    actions_detail: Iterable[Any] = ("sign_in_page",)

    @admin.display(description=_("Sign-in"))
    def sign_in_state(self, obj: Any) -> str:
        """Whether the sign-in is locked, and until when."""
        return lock_text(obj)

    @action(description=_("Sign-in"), url_path="sign-in", permissions=["sign_in_page"])  # type: ignore[untyped-decorator]
    def sign_in_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Redirect to the page of this person's sign-in."""
        person = get_object_or_404(self.model, pk=object_id)  # type: ignore[attr-defined]
        return redirect(reverse("studio:account_sign_in", args=[person.pk]))

    def has_sign_in_page_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return may_give_roles(request.user)


def _deactivation_effects(person: Any) -> dict[str, Any]:
    """What happens when the account is deactivated, for `deactivate.html`; all of it is empty where nothing does."""
    lost = [workflow for workflow, _sentence in find_lost_approvals(Workflow.objects.all(), person)]
    return {
        "workflows": [(workflow.name, object_url(workflow)) for workflow in holdings.workflows_to_stop(person)],
        "open_runs": holdings.open_runs(person).count(),
        "lost_approvals": [(workflow.name, object_url(workflow)) for workflow in lost],
        "open_approvals": holdings.open_approvals(person).count(),
        "remainders": remainder_views(person),
    }


_WHY_OF = _(
    "%(person)s can be deactivated, but not deleted: the account owns objects or appears in the history. You can hand"
    " over the objects."
)
