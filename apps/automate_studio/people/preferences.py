"""Page on which a person chooses their language and time zone."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo, available_timezones

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from automate_governance.models import Preferences
from automate_governance.people import locale
from automate_ui.admin_page import render_page
from automate_ui.navigation.http import HttpResponseSeeOther, current_person


class PreferencesForm(forms.Form):
    """Language and time zone; empty ones are the browser's and the site's."""

    language = forms.ChoiceField(
        label=_("Language"), required=False, help_text=_("Also used for email that Django Automate sends to you.")
    )
    time_zone = forms.ChoiceField(
        label=_("Time zone"), required=False, help_text=_("All dates and times are shown in this time zone.")
    )

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        language, zone = self.fields["language"], self.fields["time_zone"]
        assert isinstance(language, forms.ChoiceField) and isinstance(zone, forms.ChoiceField)  # noqa: S101 - for types
        language.choices = [("", gettext("Browser setting")), *settings.LANGUAGES]
        default = gettext("Site default (%(zone)s)") % {"zone": settings.TIME_ZONE}
        zone.choices = [("", default), *_zones(timezone.now())]


@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: HttpRequest) -> HttpResponse:
    """The signed-in person's preferences."""
    person = current_person(request)
    chosen = Preferences.objects.filter(person=person).first()
    saved = {"language": chosen.language, "time_zone": chosen.time_zone} if chosen else {}
    form = PreferencesForm(request.POST or None, initial=saved)
    if request.method == "POST" and form.is_valid():
        chosen, _created = Preferences.objects.update_or_create(person=person, defaults=form.cleaned_data)
        locale.remember(request, chosen)
        with translation.override(locale.usable_language(chosen.language) or translation.get_language()):
            messages.success(request, gettext("Preferences saved."))
        return HttpResponseSeeOther(request.path)
    return render_page(
        request,
        "automate_studio/people/preferences.html",
        gettext("Preferences"),
        status=422 if form.errors else 200,
        form=form,
        now=timezone.localtime(),
    )


def _zones(now: dt.datetime) -> list[tuple[str, str]]:
    """Time zones with their offset today: `Europe/Berlin (UTC+01:00)`."""
    return [(name, f"{name} (UTC{now.astimezone(ZoneInfo(name)):%:z})") for name in sorted(available_timezones())]
