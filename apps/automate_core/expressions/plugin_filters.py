"""The installed expression filters. Only those that AUTOMATE_EXPRESSION_FILTERS lists can be used."""

from __future__ import annotations

from django.conf import settings

from automate_core.conf import named
from automate_core.expressions.templating.filters import plugin
from automate_core.expressions.templating.filters.plugin import ExpressionFilter
from automate_core.expressions.templating.filters.registry import Filter
from automate_plugins import text
from automate_plugins.registry import Registry, Source

SETTING = "AUTOMATE_EXPRESSION_FILTERS"


def _name(entry: Source, cls: type[ExpressionFilter]) -> str:
    plugin.describe(entry.name, cls())
    return entry.name


expression_filters: Registry[ExpressionFilter] = Registry(
    "django_automate.expression_filters",
    ExpressionFilter,  # type: ignore[type-abstract]
    name_of=_name,
    allowed=lambda: getattr(settings, SETTING, ()),
    disabled=text("Not allowed. Add its name to %(setting)s.", setting=SETTING),
)


def allowed_filters() -> dict[str, Filter]:
    """The usable filters by name."""
    return {name: plugin.describe(name, expression_filters.get(name)) for name in expression_filters.names()}


def targets() -> list[tuple[str, str]]:
    """(name, module:Class) of the usable filters."""
    return [(each.name, each.target) for each in expression_filters.plugins if each.instance is not None]


def refusal(name: str) -> str:
    """Why an installed filter cannot be used; empty when none of that name is installed."""
    found = next((each for each in expression_filters.plugins if each.name == name and each.instance is None), None)
    if found is None:
        return ""
    if found.disabled:
        return text(
            "The filter %(name)s is installed but not allowed. An administrator can add it to %(setting)s.",
            name=name,
            setting=named(SETTING),
        )
    return text("The filter %(name)s could not be loaded: %(reason)s", name=name, reason=found.error)


def install() -> None:
    """Let the expressions of this process know them; they are loaded when an unknown filter is met first."""
    plugin.PLUGIN_FILTERS.find = allowed_filters
    plugin.PLUGIN_FILTERS.refusal = refusal
    plugin.PLUGIN_FILTERS.targets = targets
