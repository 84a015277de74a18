"""Definitions of workflows in requests, and what is wrong with them in problem documents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext as _
from ninja import Field, Schema
from pydantic import ConfigDict

from automate_api.v1.bodies import RequestSchema, either
from automate_api.v1.problems import ProblemError, json_pointer, problem_text
from automate_authoring.definitions import validation, yaml_files
from automate_authoring.drafts.problems import DraftProblem
from automate_core.definition.document import Definition, DefinitionError, Problem
from automate_core.definition.parsing import parse
from automate_governance.texts import translated


class DraftWarning(Schema):
    """A warning about a draft. It does not keep the draft from being published."""

    message: str
    step: str = Field("", description="Key of the step, or empty.")
    trigger: str = Field("", description="Key of the trigger, or empty.")
    field: str = Field("", description="Its field, or empty.")


class WorkflowText(RequestSchema):
    """A definition, either as JSON or as the text of a YAML file."""

    model_config = ConfigDict(json_schema_extra=either(document={"type": "object"}, yaml={"type": "string"}))

    document: dict[str, Any] | None = Field(None, description="The definition as a JSON object.")
    yaml: str | None = Field(
        None, max_length=yaml_files.MAX_BYTES, description="The definition as YAML; errors name the lines."
    )

    def definition(self) -> Definition:
        """The valid definition. Raises DefinitionError, and ProblemError for what is not YAML."""
        found = self.read()
        if problems := validation.find_problems(found):
            raise DefinitionError(self.located(problems))
        return found

    def read(self) -> Definition:
        """The definition, which can have problems. Raises DefinitionError, and ProblemError for what is not YAML."""
        if (self.document is None) is (self.yaml is None):
            message = _("Send either a document or YAML.")
            raise ProblemError(422, message, [("document", message)])
        try:
            return parse(self.document) if self.yaml is None else yaml_files.read_workflow(self.yaml)
        except yaml_files.WorkflowFileError as error:
            message = translated(str(error))
            raise ProblemError(422, message, [("yaml", message)]) from error

    def located(self, problems: list[Problem]) -> list[Problem]:
        """Problems with their lines, when the definition came as YAML."""
        return problems if self.yaml is None else yaml_files.with_lines(self.yaml, problems)


def describe_warnings(warnings: Iterable[DraftProblem]) -> list[dict[str, str]]:
    """Warnings about a draft, as `DraftWarning` shows them."""
    return [
        {"message": translated(each.reason), "step": each.step, "trigger": each.trigger, "field": each.field}
        for each in warnings
    ]


def describe_problems(problems: Iterable[Problem]) -> list[dict[str, str]]:
    """Problems of a definition, as `DraftProblem` shows them."""
    return [{"path": each.path, "pointer": json_pointer(each.path), "message": problem_text(each)} for each in problems]
