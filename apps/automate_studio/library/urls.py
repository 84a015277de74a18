"""URLs of the template library."""

from __future__ import annotations

from automate_studio.library.views import template_detail, template_list, template_sample
from automate_ui.view_access import staff

urlpatterns = [
    staff("templates/", template_list, "template_list"),
    staff("templates/<slug:slug>/", template_detail, "template"),
    staff("templates/<slug:slug>/sample/", template_sample, "template_sample"),
]
