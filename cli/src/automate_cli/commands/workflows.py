"""Workflows: as files, their drafts, and publishing them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from automate_cli.client import Client
from automate_cli.commands.completion import complete_workflows
from automate_cli.errors import (
    FAILED,
    BadInputError,
    CommandFailedError,
    RejectedError,
    UnreachableError,
    printable,
)
from automate_cli.inputs import may_ask
from automate_cli.invocation import ApiGroup, invocation
from automate_cli.output import (
    named,
    print_diff,
    print_error,
    print_json,
    print_note,
    print_object,
    print_warning,
    time_column,
)
from automate_cli.servers import path_of
from automate_cli.workflow_files import (
    SLUG,
    WorkflowFile,
    differences,
    keep_rev,
    path_for,
    read_file,
    write_file,
)

STATUSES = ("draft", "active", "paused", "archived")
YAML_TYPE = "application/yaml"


@click.group(cls=ApiGroup)
def workflows() -> None:
    """List, copy, change, publish, pause and delete workflows."""


@workflows.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Only workflows in this status.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Maximum number of workflows.")
def list_workflows(status: str | None, limit: int) -> None:
    """List the workflows that you may view."""
    call = invocation()
    found = call.client().items("/workflows", limit=limit, status=status)
    columns = [
        named("slug", cut=False),
        named("name"),
        named("status", coloured=True, cut=False),
        named("version", cut=False),
        time_column("updated_at", "Updated"),
    ]
    call.print_list(found, columns, empty="No workflows.")


@workflows.command
@click.argument("slug", shell_complete=complete_workflows)
def show(slug: str) -> None:
    """Show a workflow."""
    call = invocation()
    found = call.client().get(path_of("workflows", slug))
    if call.as_json:
        return print_json(found)
    print_object(found)
    return None


@workflows.command
@click.argument("slug", shell_complete=complete_workflows)
@click.option("--name", metavar="TEXT", help="Name of the copy. Default: that of the original, with (copy).")
def copy(slug: str, name: str | None) -> None:
    """Copy a workflow as a draft, with its triggers off."""
    call = invocation()
    made = call.client().post(path_of("workflows", slug, "copy"), {"name": name or ""})
    call.report(made, f"{slug}: copied as {made['slug']}. Its triggers are off.")


@workflows.command
@click.argument("slugs", metavar="[SLUG]...", nargs=-1, shell_complete=complete_workflows)
@click.option("--all", "everything", is_flag=True, help="Pull every workflow that you may view.")
@click.option(
    "--dir", "folder", type=click.Path(path_type=Path, file_okay=False), default=Path(), help="Folder of the files."
)
@click.option("--force", is_flag=True, help="Overwrite files that differ from the draft.")
def pull(slugs: tuple[str, ...], everything: bool, folder: Path, force: bool) -> None:
    """Write the drafts of workflows to SLUG.yaml."""
    call = invocation()
    client = call.client()
    if everything is bool(slugs):
        raise BadInputError("Name the workflows to pull, or use --all.")
    chosen = [item["slug"] for item in client.items("/workflows")] if everything else list(slugs)
    written = [_pull(client, slug, folder, force=force) for slug in chosen]
    if call.as_json:
        print_json(written)
    return None


@dataclass(frozen=True)
class ServerDraft:
    """A draft as YAML, and its `rev`."""

    text: str
    rev: int


def _pull(client: Client, slug: str, folder: Path, *, force: bool) -> dict[str, Any]:
    if not SLUG.fullmatch(slug):
        raise BadInputError(f"{slug} is not the slug of a workflow.")
    path, draft = path_for(slug, folder), _draft(client, slug)
    if path.exists() and not force and read_file(path).text != draft.text:
        raise CommandFailedError(
            f"{path} differs from the draft. Compare them with: automate workflows diff {path}. "
            "To overwrite the file, use --force."
        )
    write_file(path, draft.text)
    keep_rev(path, draft.rev, client.server)
    if not invocation().as_json:
        print_note(f"{path}: draft {draft.rev}")
    return {"slug": slug, "file": str(path), "rev": draft.rev}


def _draft(client: Client, slug: str) -> ServerDraft:
    text, tag = client.text(path_of("workflows", slug, "export"), YAML_TYPE)
    rev = tag.removeprefix("W/").strip('"')
    if not rev.isdecimal():
        raise UnreachableError(f"{client.server} did not return the revision of the draft.")
    return ServerDraft(text, int(rev))


@workflows.command
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--force", is_flag=True, help="Replace the draft even if it has changed since.")
@click.option("--publish", "publishes", is_flag=True, help="Publish the drafts afterwards.")
@click.option("--message", metavar="TEXT", help="What has changed, with --publish.")
@click.option("--prune", "prunes", is_flag=True, help="Delete the workflows that none of the files is of.")
@click.option("--yes", "agreed", is_flag=True, help="Do not ask before --prune deletes.")
@click.pass_context
def push(
    context: click.Context,
    files: tuple[str, ...],
    force: bool,
    publishes: bool,
    message: str | None,
    prunes: bool,
    agreed: bool,
) -> None:
    """Replace the drafts of workflows by files, which are paths or slugs.

    A draft that changed since the file was pulled is not replaced. A workflow that does not exist is created. A file
    that fails does not keep the others from being pushed, but then nothing is deleted. Workflows with runs are archived
    instead of deleted.
    """
    call = invocation()
    if prunes and not (agreed or may_ask()):
        raise BadInputError("To delete without a question, add --yes to --prune.")
    client = call.client()

    def push_file(path: Path) -> dict[str, Any]:
        return _push(client, read_file(path), force=force, publishes=publishes, message=message)

    pushed, code = _for_each_file(files, push_file)
    if prunes and code:
        print_warning("Warning: nothing was deleted, because not all files were pushed.")
    elif prunes:
        removed, code = _prune(client, [read_file(path_for(name)) for name in files], agreed=agreed)
        pushed += removed
    if call.as_json:
        print_json(pushed)
    context.exit(code)


def _for_each_file(names: Iterable[str], act: Callable[[Path], dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    return _for_each(map(path_for, names), act)


def _for_each[T](things: Iterable[T], act: Callable[[T], dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """What `act` gives for each file or workflow, without those that fail, and the exit code: that of the failures
    where they have one in common. Each failure is printed with the name of its file or workflow. Raises
    UnreachableError: no other would fare better."""
    done, codes = [], set()
    for thing in things:
        try:
            done.append(act(thing))
        except UnreachableError as error:
            raise UnreachableError(_with_name(str(thing), error)) from None
        except CommandFailedError as error:
            print_error(_with_name(str(thing), error), error.exit_code, as_json=invocation().as_json)
            codes.add(error.exit_code)
    return done, codes.pop() if len(codes) == 1 else FAILED if codes else 0


def _with_name(name: str, error: CommandFailedError) -> str:
    return str(error) if str(error).startswith(name) else f"{name}: {error}"


def _prune(client: Client, files: list[WorkflowFile], *, agreed: bool) -> tuple[list[dict[str, Any]], int]:
    """Delete what the server has besides the workflows of these files, after a question, and archive what has runs."""
    kept = {file.slug for file in files}
    there = [each for each in client.items("/workflows") if each["slug"] not in kept and each["status"] != "archived"]
    if not there:
        return [], 0
    if not agreed:
        click.echo(f"No file is of these workflows of {client.server}:", err=True)
        for each in there:
            click.echo(printable(f"  {each['slug']}  {each['name']} ({each['status']})"), err=True)
        if not click.confirm("Delete them, or archive those that have runs?", err=True):
            return [], 0
    named = {slug: file.path for file in files for slug in file.named_workflows()}

    def remove(slug: str) -> dict[str, Any]:
        if slug in named:
            raise CommandFailedError(f"not deleted, because {named[slug]} uses it. Pull it, or change that file.")
        return _remove(client, slug)

    return _for_each([each["slug"] for each in reversed(there)], remove)  # callers are newer than what they call


def _remove(client: Client, slug: str) -> dict[str, Any]:
    try:
        client.send("DELETE", path_of("workflows", slug))
        done = "deleted"
    except RejectedError as error:
        if error.code != "has_runs":
            raise
        client.post(path_of("workflows", slug, "archive"))
        done = "archived"
    if not invocation().as_json:
        print_note(f"{slug}: {done}")
    return {"slug": slug, "result": done}


def _push(client: Client, file: WorkflowFile, *, force: bool, publishes: bool, message: str | None) -> dict[str, Any]:
    slug = file.slug
    rev, done = _replace(client, file, slug, force=force)
    keep_rev(file.path, rev, client.server)
    result: dict[str, Any] = {"slug": slug, "file": str(file.path), "rev": rev, "result": done}
    if publishes:
        try:
            made = _publish(client, slug, rev, message)
            result |= {"version": made["version"], "warnings": made.get("warnings", [])}
        except RejectedError as error:
            state = f"draft {rev} of {slug} {done}, but not published"
            raise RejectedError(error.status, f"{file.path}: {state}: {error}") from None
    if not invocation().as_json:
        version = f", published as version {result['version']}" if publishes else ""
        print_note(f"{file.path}: draft {rev} of {slug} {done}{version}")
        _print_warnings(slug, result.get("warnings", []))
    return result


def _replace(client: Client, file: WorkflowFile, slug: str, *, force: bool) -> tuple[int, str]:
    """Make the draft what the file says: its revision, and what was done."""
    base = file.rev_at(client.server)
    body, path = {"yaml": file.whole}, path_of("workflows", slug, "draft")
    try:
        current = client.get(path)["rev"]
        if not force and base is None:
            raise _refused(file, "it is not known of which draft it is a copy", current)
        made = client.send("PUT", path, body, {"If-Match": "*" if force else f'"{base}"'})
        return int(made["rev"]), "updated" if made["rev"] != current else "not changed"
    except RejectedError as error:
        if error.status == 412:
            raise _refused(file, f"it is a copy of draft {base}", str(error)) from None
        if error.status != 404:
            raise
    return int(client.post("/workflows", body)["rev"]), "created"


def _refused(file: WorkflowFile, known: str, current: Any) -> CommandFailedError:
    state = f"the draft on the server is {current}." if isinstance(current, int) else current
    return CommandFailedError(
        f"{file.path} was not pushed: {known}. {state} Compare them with: automate workflows diff {file.path}. "
        "To replace the draft, use --force."
    )


@workflows.command
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--published", is_flag=True, help="Compare with the published version, not with the draft.")
@click.option("--exit-code", "exits", is_flag=True, help="Exit with 1 when there are differences.")
@click.pass_context
def diff(context: click.Context, files: tuple[str, ...], published: bool, exits: bool) -> None:
    """Show what a push of files, which are paths or slugs, would change."""
    call = invocation()
    client = call.client()
    found, code = _for_each_file(files, lambda path: _diff(client, read_file(path), published=published))
    if call.as_json:
        print_json(found)
    else:
        for each in found:
            print_diff(each["diff"])
    context.exit(code or int(exits and any(each["diff"] for each in found)))


def _diff(client: Client, file: WorkflowFile, *, published: bool) -> dict[str, Any]:
    """Between the exports of both, so that comments, layout and defaults make no difference."""
    slug, kind = file.slug, "published" if published else "draft"
    try:
        text, _ = client.text(path_of("workflows", slug, "export"), YAML_TYPE, version=kind)
    except RejectedError as error:
        if error.code != "not_found":  # such as a token that may not view workflows
            raise
        added = list(differences(file, file.text, "", f"{slug} (none)"))
        return {"slug": slug, "file": str(file.path), "diff": added}
    read = client.post(path_of("workflows", slug, "draft", "validate"), {"yaml": file.whole})
    if (ours := read.get("yaml")) is None:
        problems = "; ".join(each["message"] for each in read["problems"])
        raise BadInputError(f"{file.path}: {problems}")
    return {"slug": slug, "file": str(file.path), "diff": list(differences(file, ours, text, f"{slug} ({kind})"))}


@workflows.command
@click.argument("slug", shell_complete=complete_workflows)
@click.option("--rev", type=click.IntRange(0), help="Publish only this revision of the draft. Default: the newest.")
@click.option("--message", metavar="TEXT", help="What has changed.")
def publish(slug: str, rev: int | None, message: str | None) -> None:
    """Publish the draft of a workflow."""
    call = invocation()
    made = _publish(call.client(), slug, rev, message)
    call.report(made, f"{slug}: version {made['version']} is published")
    if not call.as_json:
        _print_warnings(slug, made.get("warnings", []))


def _print_warnings(slug: str, warnings: Iterable[dict[str, str]]) -> None:
    """Each warning of a published draft in a line, with its step or trigger."""
    for each in warnings:
        place = each.get("step") or each.get("trigger")
        print_warning(f"Warning: {slug}{f', {place}' if place else ''}: {each['message']}")


def _publish(client: Client, slug: str, rev: int | None, message: str | None) -> Any:
    return client.post(path_of("workflows", slug, "publish"), {"rev": rev, "message": message or ""})
