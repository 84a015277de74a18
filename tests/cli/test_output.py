"""What commands print: tables that fit, colours where they belong, and nothing that a terminal would obey."""

from __future__ import annotations

import json

import pytest

from automate_cli.output import fitted, text_width
from automate_cli.server_events import ServerEvent, read_events

TOKEN = "dat_AbCd1234_" + "s" * 49
LONG = "A workflow with a name that is longer than any terminal of the year in which terminals were invented"


@pytest.fixture
def listed(cli, sink, monkeypatch):
    """The output of `workflows list` for one workflow, on a terminal or in a pipe."""

    def show(workflow, *, columns="80", terminal=True, arguments=(), **variables):
        sink.answer = lambda number, path: (200, {"items": [workflow], "next": None}, {})
        monkeypatch.setattr("automate_cli.output.is_terminal", lambda: terminal)
        variables = {"AUTOMATE_TOKEN": TOKEN, "AUTOMATE_SERVER": sink.url, "COLUMNS": columns, **variables}
        ended = cli("workflows", "list", *arguments, **variables)
        assert ended.code == 0, ended.err
        return ended.out

    return show


WORKFLOW = {"slug": "crm", "name": LONG, "status": "active", "version": 3, "updated_at": "2026-11-28T03:00:00Z"}


@pytest.mark.parametrize("columns", ["60", "80", "100"])
def test_a_table_fits_the_terminal(listed, columns):
    lines = listed(WORKFLOW, columns=columns, NO_COLOR="1").splitlines()
    assert max(map(text_width, lines)) <= int(columns) and "…" in lines[1] and lines[1].startswith("crm ")


def test_a_pipe_gets_whole_texts(listed):
    assert LONG in listed(WORKFLOW, terminal=False)


@pytest.mark.parametrize(("width", "expected"), [(40, [10, 22, 4]), (20, [10, 8, 4]), (80, [10, 50, 4])])
def test_the_widest_column_gives_first(width, expected):
    assert fitted([10, 50, 4], [False, True, False], width) == expected


def test_wide_characters_take_two_columns_and_combining_ones_none():
    assert (text_width("日本"), text_width("e\u0301"), text_width("abc")) == (4, 1, 3)


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colours_can_be_turned_off(listed, variables):
    assert "\x1b" not in listed(WORKFLOW, **variables)


def test_colours_are_for_terminals_alone(listed):
    assert "\x1b[" in listed(WORKFLOW, TERM="xterm", NO_COLOR="")
    assert "\x1b" not in listed(WORKFLOW, terminal=False, TERM="xterm", NO_COLOR="")
    assert "\x1b" not in listed(WORKFLOW, arguments=["--json"], TERM="xterm", NO_COLOR="")


EVIL = "\x1b]0;title\x07 \x9b31m two\nlines \u202eright"


def test_a_name_cannot_steer_the_terminal(listed):
    shown = listed({**WORKFLOW, "name": EVIL}, columns="200", NO_COLOR="1")
    assert len(shown.splitlines()) == 2 and not {"\x1b", "\x07", "\x9b", "\u202e"} & set(shown)


def test_json_is_the_same_value_and_steers_no_terminal_either(listed):
    shown = listed({**WORKFLOW, "name": EVIL + "ä"}, arguments=["--json"])
    assert json.loads(shown)[0]["name"] == EVIL + "ä" and "ä" in shown
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(shown)


def test_options_can_stand_before_the_command(cli, sink):
    sink.answer = lambda number, path: (200, {"items": [], "next": None}, {})
    assert cli("--server", sink.url, "--json", "workflows", "list", AUTOMATE_TOKEN=TOKEN).json() == []


def test_an_empty_list_prints_nothing_on_standard_output(cli, sink):
    sink.answer = lambda number, path: (200, {"items": [], "next": None}, {})
    ended = cli("workflows", "list", "--server", sink.url, AUTOMATE_TOKEN=TOKEN)
    assert (ended.out, ended.err) == ("", "No workflows.\n")


# --- completion -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(cli, shell):
    assert f"_AUTOMATE_COMPLETE={shell}_complete" in cli("completion", shell).out


def complete(cli, words, **variables):
    return cli(_AUTOMATE_COMPLETE="bash_complete", COMP_WORDS=f"automate {words}", COMP_CWORD=str(len(words.split(" "))), **variables).out  # fmt: skip


def test_commands_and_options_are_completed(cli):
    assert complete(cli, "work") == "plain,workflows\n"
    assert "plain,--wait\n" in complete(cli, "runs start --w")


def test_slugs_are_completed_from_the_server(cli, sink):
    items = [{"slug": slug, "name": slug} for slug in ("crm", "crm-sync", "invoices", "c;rm -rf")]
    sink.answer = lambda number, path: (200, {"items": items, "next": None}, {})
    variables = {"AUTOMATE_TOKEN": TOKEN, "AUTOMATE_SERVER": sink.url}
    assert complete(cli, "runs start crm", **variables) == "plain,crm\nplain,crm-sync\n"
    assert complete(cli, f"runs list --server {sink.url} --workflow c", **variables) == "plain,crm\nplain,crm-sync\n"


def test_operations_are_completed_from_the_document(cli, sink):
    document = {"paths": {"/api/v1/runs": {"get": {"operationId": "list_runs", "responses": {}}}}}
    sink.answer = lambda number, path: (200, document, {})
    assert complete(cli, "api li", AUTOMATE_TOKEN=TOKEN, AUTOMATE_SERVER=sink.url) == "plain,list_runs\n"


def test_completion_is_silent_without_a_server(cli, sink):
    sink.close()
    assert complete(cli, "runs start c").strip() == ""
    assert complete(cli, "runs start c", AUTOMATE_TOKEN=TOKEN, AUTOMATE_SERVER=sink.url).strip() == ""


# --- server-sent events -----------------------------------------------------------------------------------------------


def test_events_are_read_out_of_lines():
    lines = [": heartbeat", "", "id: 7", "event: step", "data: one", "data:two", "", "data: three", "", "", "data: cut"]
    assert list(read_events(lines)) == [ServerEvent("step", "one\ntwo", "7"), ServerEvent("message", "three", "7")]


def test_an_endless_event_is_refused():
    with pytest.raises(ValueError, match="too long"):
        list(read_events(["data: " + "x" * 1_000_000] * 10))
