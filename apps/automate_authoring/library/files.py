"""Reading templates: what a file says, whether that is true of the workflow in it, and all that are installed."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from django.apps import AppConfig, apps
from django.utils.translation import get_language, gettext, override
from msgspec import Meta, Struct, field

from automate_authoring.definitions import yaml_files
from automate_authoring.library.template_texts import map_texts
from automate_connectors.registry import find_action, find_poll, find_webhook
from automate_core.definition.document import (
    CONNECTOR_TRIGGERS,
    ActionStep,
    Definition,
    DefinitionError,
    ModelTrigger,
    PollTrigger,
    Problem,
    RunTrigger,
    WebhookTrigger,
    WorkflowStep,
)
from automate_core.definition.parsing import convert, parse
from automate_core.definition.slots import walk
from automate_core.webhooks.schemes.registry import SCHEMES
from automate_plugins import text

FOLDER = "automate_templates"
CATEGORIES = {
    "engineering": text("Engineering"),
    "finance": text("Finance"),
    "sales": text("Sales"),
    "support": text("Support"),
    "people": text("HR"),
    "it": text("IT and security"),
    "operations": text("Operations"),
}


class _Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all parts of a template: unknown fields are rejected."""


class Endpoint(_Part, frozen=True, kw_only=True):
    """A webhook endpoint of a template: its scheme, and the instructions for its sender."""

    scheme: str
    sends: str = ""


class ModelUse(_Part, frozen=True, kw_only=True):
    """Use of a model: the fields whose changes start the workflow, and the fields that it reads and writes."""

    watch: list[str] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    write: list[str] = field(default_factory=list)


class Needs(_Part, frozen=True, kw_only=True):
    """Requirements of publishing, by slug or label; connections with their purpose."""

    connections: dict[str, str] = field(default_factory=dict)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    models: dict[str, ModelUse] = field(default_factory=dict)


class Setting(_Part, frozen=True, kw_only=True):
    """A variable of the workflow as it is asked for; one of the kind `group` is the name of a group of people."""

    label: Annotated[str, Meta(min_length=1, max_length=100)]
    help: str = ""
    kind: Literal["text", "number", "group"] = "text"


class Sample(_Part, frozen=True, kw_only=True):
    """An event as it comes, how the run on it ends, and the steps that have then been done."""

    payload: Any
    type: str = ""
    ends: Literal["succeeded", "failed"] = "succeeded"
    reaches: list[str]


class _File(_Part, frozen=True, kw_only=True):
    summary: Annotated[str, Meta(min_length=1, max_length=200)]
    category: Literal["engineering", "finance", "sales", "support", "people", "it", "operations"]
    needs: Needs = field(default_factory=Needs)
    settings: dict[str, Setting] = field(default_factory=dict)
    sample: Sample
    workflow: dict[str, Any]


msgspec.json.Decoder(_File)  # resolves its types before threads do so, which msgspec does not survive


@dataclass(frozen=True, kw_only=True)
class Template:
    """One template. Its name and slug are those of its workflow."""

    summary: str
    category: str
    needs: Needs
    settings: dict[str, Setting]
    sample: Sample
    definition: Definition
    document: dict[str, Any]
    app: str = ""

    @property
    def slug(self) -> str:
        """The slug used in URLs."""
        return self.definition.slug

    @property
    def name(self) -> str:
        """The name shown to people."""
        return self.definition.name

    @property
    def connectors(self) -> dict[str, str]:
        """The connector of each connection that its steps and triggers name."""
        steps = [step for _, step in walk(self.definition.steps) if isinstance(step, ActionStep)]
        by_connector = [trigger for trigger in self.definition.triggers if isinstance(trigger, CONNECTOR_TRIGGERS)]
        used = [(step.connection, step.action) for step in steps]
        used += [(trigger.connection, trigger.reference) for trigger in by_connector]
        return {connection: reference.partition(".")[0] for connection, reference in used if connection}


class TemplateFileError(ValueError):
    """A file that is no template; the message says why, with the lines of the faults."""


@dataclass(frozen=True)
class RejectedFile:
    """A file that could not be taken."""

    path: Path
    reason: str


def read_template(source: str, *, slug: str = "", app: str = "") -> Template:
    """The template in a YAML text; `slug` is the one that its workflow must have. Raises TemplateFileError."""
    try:
        document = yaml_files.read_yaml(source)
    except yaml_files.WorkflowFileError as error:
        raise TemplateFileError(str(error)) from error
    try:
        template = _template(document, app)
        if found := [*_mismatches(template, slug)]:
            raise DefinitionError(found)
    except DefinitionError as error:
        raise TemplateFileError("; ".join(map(str, yaml_files.with_lines(source, error.problems)))) from error
    return template


def _template(document: Any, app: str) -> Template:
    file: _File = convert(document, _File)
    try:
        definition = parse(file.workflow)
    except DefinitionError as error:
        below = [replace(problem, path=f"workflow.{problem.path}".rstrip(".")) for problem in error.problems]
        raise DefinitionError(below) from error
    return Template(
        summary=file.summary,
        category=file.category,
        needs=file.needs,
        settings=file.settings,
        sample=file.sample,
        definition=definition,
        document=document,
        app=app,
    )


def _mismatches(template: Template, slug: str) -> Iterator[Problem]:
    """Statements of a template that do not match its workflow."""
    definition, needs = template.definition, template.needs
    if slug and definition.slug != slug:
        yield Problem("workflow.slug", f"must be the file's name, {slug}")
    yield from _same("needs.connections", needs.connections, template.connectors)
    listened = [part.endpoint for part in definition.triggers if isinstance(part, WebhookTrigger)]
    yield from _same("needs.endpoints", needs.endpoints, listened)
    yield from _same("needs.models", needs.models, _models(definition))
    yield from _same("settings", template.settings, definition.vars)
    for name, endpoint in needs.endpoints.items():
        if endpoint.scheme not in SCHEMES:
            there = ", ".join(SCHEMES)
            yield Problem(
                f"needs.endpoints.{name}.scheme", f"unknown scheme {endpoint.scheme!r}; choose one of: {there}"
            )
    steps = [step for _, step in walk(definition.steps)]
    calls = any(isinstance(step, WorkflowStep) for step in steps)
    if calls or any(isinstance(part, RunTrigger) for part in definition.triggers):
        yield Problem("workflow", "a template cannot depend on another workflow")
    for index, key in enumerate(template.sample.reaches):
        if key not in {step.key for step in steps}:
            yield Problem(f"sample.reaches[{index}]", f"the workflow has no step {key!r}")


def _same(place: str, stated: Iterable[str], used: Iterable[str]) -> Iterator[Problem]:
    listed, needed = set(stated), set(used)
    for name in sorted(needed - listed):
        yield Problem(place, f"must list {name!r}, which the workflow uses")
    for name in sorted(listed - needed):
        yield Problem(f"{place}.{name}", "the workflow does not use it")


def _models(definition: Definition) -> Iterator[str]:
    for part in definition.triggers:
        if isinstance(part, ModelTrigger):
            yield part.model
    for _, step in walk(definition.steps):
        if isinstance(step, ActionStep) and step.action.startswith("models.") and "model" in step.inputs:
            yield str(step.inputs["model"])


def _files(config: AppConfig) -> list[Path]:
    return sorted((Path(config.path) / FOLDER).glob("*.yaml"))


@functools.cache
def _installed() -> tuple[dict[str, Template], tuple[RejectedFile, ...]]:
    """All templates by slug, sorted by name, and the files that are none. Read once a process."""
    found: dict[str, Template] = {}
    faults: list[RejectedFile] = []
    for config in apps.get_app_configs():
        for path in _files(config):
            try:
                template = read_template(yaml_files.load_text(path), slug=path.stem, app=config.label)
                if taken := found.get(template.slug):
                    raise TemplateFileError(f"the app {taken.app} already has a template of that name")
            except (yaml_files.WorkflowFileError, TemplateFileError) as error:
                faults.append(RejectedFile(path, str(error)))
            else:
                found[template.slug] = template
    return _by_name(found), tuple(faults)


def installed_templates() -> dict[str, Template]:
    """The installed templates by slug, in the order of their names, in the active language."""
    return _in_language(get_language() or "en")


@functools.cache
def _in_language(language: str) -> dict[str, Template]:
    installed = _installed()[0]
    if language.partition("-")[0] == "en":
        return installed
    with override(language):
        found = {slug: _template(map_texts(each.document, gettext), each.app) for slug, each in installed.items()}
    return _by_name(found)


def _by_name(templates: dict[str, Template]) -> dict[str, Template]:
    return dict(sorted(templates.items(), key=lambda item: _sort_key(item[1].name)))


def _sort_key(name: str) -> str:
    """Letters without their accents, as dictionaries sort: `Übersicht` beside `Ubersicht`."""
    return "".join(
        letter for letter in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(letter)
    )


def are_all_built_in() -> bool:
    """Whether no other app brings templates: ours are whole, and need not be read to say so."""
    return not any(_files(config) for config in apps.get_app_configs() if config.label != "automate_core")


def rejected_files() -> tuple[RejectedFile, ...]:
    """The files in the folders of templates that could not be taken."""
    return _installed()[1]


def reload_templates() -> None:
    """Read the files again when they are next asked for."""
    _installed.cache_clear()
    _in_language.cache_clear()


def missing_actions(template: Template) -> list[str]:
    """The actions, polls and webhooks of a template that no installed connector has."""
    missing = []
    for trigger in template.definition.triggers:
        if isinstance(trigger, CONNECTOR_TRIGGERS):
            try:
                (find_poll if isinstance(trigger, PollTrigger) else find_webhook)(trigger.reference)
            except LookupError:
                missing.append(trigger.reference)
    for _, step in walk(template.definition.steps):
        if isinstance(step, ActionStep):
            try:
                find_action(step.action)
            except LookupError:
                missing.append(step.action)
    return list(dict.fromkeys(missing))
