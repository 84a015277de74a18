"""The project's own sidebars: without Automate, and with it as docs/in-your-project.md says."""

from __future__ import annotations

OWN = {"title": "Shop", "items": [{"title": "Own entry", "icon": "store", "link": "/own/"}]}


def own(request):
    return [OWN]


def with_automate(request):
    from automate_studio.navigation import sidebar

    return [OWN, *sidebar(request)]
