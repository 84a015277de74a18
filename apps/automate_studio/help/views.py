"""Help: the documentation, rendered from the files that the documentation site is built from."""

from __future__ import annotations

from mimetypes import guess_type

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from automate_studio.help import pages, readers
from automate_ui.admin_page import render_page
from automate_ui.navigation.http import clean_text


@require_safe
def help_page(request: HttpRequest, name: str) -> HttpResponse:
    """A page of the documentation, or what a search finds in all of them."""
    language = pages.present_language()
    page, query = pages.pages(language).get(name), clean_text(request.GET.get("q"))
    if page is None:
        raise Http404(_("There is no such help page."))
    rendered = pages.render(name, language)
    sections = readers.sections_for(request.user, language)
    order = [each for section in sections for each in section.pages]
    at = order.index(page) if page in order else None
    return render_page(
        request,
        "automate_studio/help/page.html",
        _("Help"),
        page=page,
        sections=sections,
        content=mark_safe(rendered.html),  # noqa: S308 - made of our own files
        headings=rendered.headings,
        is_foreign=page.language != language,
        is_outdated=not rendered.is_current,
        query=query,
        hits=readers.search(request.user, query, language),
        previous=order[at - 1] if at else None,
        following=order[at + 1] if at is not None and at + 1 < len(order) else None,
    )


@require_safe
def help_image(request: HttpRequest, name: str) -> HttpResponse:
    """An image of the documentation."""
    path = pages.image(name)
    if path is None:
        raise Http404
    return HttpResponse(path.read_bytes(), content_type=guess_type(path.name)[0])
