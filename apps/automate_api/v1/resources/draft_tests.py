"""Tests of drafts: a dry run of the present draft, whose steps say what they would do."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from ninja import Field, Router

from automate_api.v1.bodies import RequestSchema
from automate_api.v1.front_door import TokenRequest
from automate_api.v1.problems import ProblemError
from automate_api.v1.resources.runs.runs import Run, describe_run
from automate_api.v1.resources.workflows import get_workflow
from automate_authoring.test_runs import start
from automate_authoring.test_runs.decisions import Decision
from automate_authoring.test_runs.start import NotTestableError, Request
from automate_governance.texts import translated

router = Router()

MOST_CHOSEN = 200  #: mocks, and outcomes


class DraftTest(RequestSchema):
    """What a test of a draft runs on."""

    payload: Any = Field(
        None, description="Payload of the event, also null; by default that of the newest event, else an example."
    )
    mocks: dict[str, Any] = Field(
        default_factory=dict,
        max_length=MOST_CHOSEN,
        description="Outputs of steps by key. These steps do not run. A call to another system gives none without it.",
    )
    outcomes: dict[str, Annotated[str, Field(max_length=64)]] = Field(
        default_factory=dict,
        max_length=MOST_CHOSEN,
        description="Outcomes of approvals by key of the step, such as approved; by default the first one.",
    )


@router.post("/workflows/{slug}/draft/test", response={201: Run})
def test_draft(request: TokenRequest, slug: str, body: DraftTest) -> dict[str, Any]:
    """Test the draft of a workflow without outside effects, as a run that ends by itself.

    Calls to other systems are described and not made, and database changes are rolled back. The steps of the run have
    what they would have done (`foreseen_effects`).
    """
    workflow = get_workflow(request, slug)
    asked = Request(
        mode="dry",
        scope="whole",
        payload=body.payload if "payload" in body.model_fields_set else msgspec.UNSET,
        mocks=body.mocks,
        decisions={key: Decision(outcome=outcome) for key, outcome in body.outcomes.items()},
        recalls=False,
    )
    try:
        run = start.start_test(workflow, asked, by=request.user)
    except NotTestableError as error:
        raise _problem_of(error) from error
    return describe_run(run, may_view_payload=True)


def _problem_of(error: NotTestableError) -> ProblemError:
    """A draft with errors is a matter of its state; anything else is one of what was asked for."""
    detail = translated(str(error))
    if not error.problems:
        return ProblemError(422, detail, code="not_testable")
    found = [(each.path, translated(each.reason)) for each in error.problems]
    return ProblemError(409, detail, found, code="draft_incomplete")
