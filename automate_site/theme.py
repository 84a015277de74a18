"""Theme of the admin: palette, typography and navigation, as defaults that a host project may replace."""

from __future__ import annotations

from typing import Any

from django.templatetags.static import static

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Django Automate",
    "SITE_HEADER": "Django Automate",
    "SITE_SYMBOL": "bolt",
    "SITE_URL": None,
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("automate_studio/favicon.svg")}
    ],
    "STYLES": [
        lambda request: static("automate_studio/shared/tokens.css"),
        lambda request: static("automate_site/chrome.css"),
    ],
    "DASHBOARD_CALLBACK": "automate_studio.overview.views.dashboard",
    "COMMAND": {"search_callback": "automate_studio.quick_search.search", "show_history": True},
    "ACCOUNT": {"navigation": "automate_studio.navigation.account_links"},
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": False,
        "navigation": "automate_studio.navigation.sidebar",
    },
    "BORDER_RADIUS": "6px",
    "COLORS": {
        "base": {
            "50": "oklch(98.5% .002 264)",
            "100": "oklch(96.4% .004 264)",
            "200": "oklch(92% .005 264)",
            "300": "oklch(84.5% .008 264)",
            "400": "oklch(70% .012 264)",
            "500": "oklch(51% .018 264)",
            "600": "oklch(40.5% .018 264)",
            "700": "oklch(36% .013 264)",
            "800": "oklch(26.5% .011 264)",
            "900": "oklch(18.2% .009 264)",
            "950": "oklch(14% .008 264)",
        },
        "primary": {
            "50": "oklch(96.4% .018 281)",
            "100": "oklch(93% .04 282)",
            "200": "oklch(88.5% .065 282)",
            "300": "oklch(84% .075 281)",
            "400": "oklch(76.5% .115 283)",
            "500": "oklch(64% .175 281)",
            "600": "oklch(50.5% .205 281)",
            "700": "oklch(45.5% .2 281)",
            "800": "oklch(38% .165 281)",
            "900": "oklch(32% .12 281)",
            "950": "oklch(26.5% .062 281)",
        },
    },
}
