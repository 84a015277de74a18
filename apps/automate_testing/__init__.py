"""For authors of plug-ins and of workflows: contract suites, fakes, pytest fixtures, and tests of whole workflows.

`run_workflow`, `Approval` and `in_order` are here, too. They are imported when they are first used: this package is
also imported before Django is ready, by a settings module or a conftest.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automate_testing.workflows import Approval, WorkflowResult, in_order, run_workflow

__all__ = ["Approval", "WorkflowResult", "in_order", "run_workflow"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from automate_testing import workflows

        return getattr(workflows, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
