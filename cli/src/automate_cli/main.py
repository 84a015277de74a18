"""The entry point `automate`."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click

from automate_cli.commands import (
    api,
    approvals,
    completion,
    connections,
    draft_tests,  # noqa: F401 - adds its command to `workflows`
    events,
    runs,
    sign_in,
    tokens,
    workflow_states,  # noqa: F401 - so does this
    workflows,
)
from automate_cli.errors import BAD_INPUT, BROKEN_PIPE, FAILED, INTERRUPTED, CommandFailedError
from automate_cli.invocation import ApiGroup, Invocation, common_options
from automate_cli.output import colours_wanted, print_error

EPILOG = (
    "Exit codes: 0 done; 1 the operation failed, for example a run that failed; 2 an argument or an input is not "
    "valid; 3 not signed in, or not allowed; 4 the server cannot be reached."
)


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from importlib import metadata

        click.echo(f"automate {metadata.version('django-automate-cli')}")
        context.exit()


@click.group(cls=ApiGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show the version."
)
@click.pass_context
def automate(context: click.Context) -> None:
    """Start, watch and change the workflows of a Django Automate server."""
    context.ensure_object(Invocation)
    context.color = colours_wanted()


automate.params += common_options()
for _command in (
    sign_in.login, sign_in.logout, workflows.workflows, runs.runs, events.events, approvals.approvals,
    connections.connections, tokens.tokens, api.api, completion.completion,
):  # fmt: skip
    automate.add_command(_command)


def main() -> NoReturn:
    """Run the command of `sys.argv` and exit with its code; an error is one line on standard error."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """The exit code of a command."""
    try:
        result = automate.main(arguments, prog_name="automate", standalone_mode=False)
    except CommandFailedError as error:
        return _failed(str(error), error.exit_code, arguments)
    except click.UsageError as error:
        hint = f" Try: {error.ctx.command_path} --help" if error.ctx else ""
        return _failed(f"{error.format_message()}{hint}", BAD_INPUT, arguments)
    except click.ClickException as error:
        return _failed(error.format_message(), error.exit_code, arguments)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:  # whoever read standard output has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - a traceback could show a token
        return _failed(f"Unexpected error ({type(error).__name__}): {error}", FAILED, arguments)
    return result if isinstance(result, int) else 0


def _failed(message: str, code: int, arguments: list[str]) -> int:
    """Print an error in the form that was asked for, also where the options could not be read."""
    print_error(message, code, as_json="--json" in arguments)
    return code
