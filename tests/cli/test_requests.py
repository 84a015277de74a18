"""Requests of the command line against a server that answers as a test says."""

from __future__ import annotations

import json
import os
import stat

import pytest

TOKEN = "dat_AbCd1234_" + "s" * 49
NONE = {"items": [], "next": None}
CURRENT = {"id": 1, "owner": "ada", "expires_at": "2027-01-02T03:04:05Z"}


@pytest.fixture
def signed_in(cli, sink):
    sink.answer = lambda number, path: (200, CURRENT if path.endswith("/current") else NONE, {})
    assert cli("login", sink.url, stdin=f"{TOKEN}\n").code == 0
    sink.calls.clear(), sink.headers.clear(), sink.bodies.clear()
    return cli


def answers(sink, *queue):
    """Give these answers, one after the other, and the last one for ever."""
    sink.answer = lambda number, path: queue[min(number, len(queue)) - 1]


def test_the_token_is_stored_for_its_person_alone(signed_in, home):
    file = home / "config" / "automate" / "credentials.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert TOKEN in file.read_text() and os.listdir(file.parent) == ["credentials.json"]


def test_a_file_that_others_can_read_is_not_used(signed_in, home):
    (home / "config" / "automate" / "credentials.json").chmod(0o644)
    ended = signed_in("workflows", "list")
    assert ended.code == 3 and "chmod 600" in ended.err and TOKEN not in ended.err


def test_requests_say_who_asks_and_carry_the_token(signed_in, sink):
    assert signed_in("workflows", "list").code == 0
    [headers] = sink.headers
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["user-agent"].startswith("automate/")
    assert "idempotency-key" not in headers
    assert headers["accept-language"] == "en", "messages of the server stand beside the program's own"


def test_the_token_of_the_environment_wins(signed_in, sink):
    other = "dat_ZZZZ1234_" + "x" * 49
    assert signed_in("workflows", "list", AUTOMATE_TOKEN=other).code == 0
    assert sink.headers[0]["authorization"] == f"Bearer {other}"


def test_a_netrc_file_does_not_replace_the_token(signed_in, sink, home):
    (home / ".netrc").write_text("machine 127.0.0.1 login someone password secret\n")
    assert signed_in("workflows", "list").code == 0
    assert sink.headers[0]["authorization"] == f"Bearer {TOKEN}"


def test_a_proxy_does_not_see_what_goes_to_this_machine(signed_in, sink):
    assert signed_in("workflows", "list", HTTP_PROXY="http://127.0.0.1:9", http_proxy="http://127.0.0.1:9").code == 0


@pytest.mark.matrix
@pytest.mark.parametrize("failure", [(503, {}, {}), (429, {}, {"Retry-After": "0"}), (409, {}, {"Retry-After": "0"})])
def test_a_repeated_post_has_the_same_key(signed_in, sink, failure):
    answers(sink, failure, failure, (202, {"id": "7", "status": "queued", "url": "/api/v1/runs/7"}, {}))
    assert signed_in("runs", "start", "crm").code == 0
    keys = [key for _, key, _ in sink.calls]
    assert len(keys) == 3 and len(set(keys)) == 1 and keys[0]


def test_another_command_has_another_key(signed_in, sink):
    answers(sink, (202, {"id": "7", "status": "queued", "url": "/api/v1/runs/7"}, {}))
    for _ in range(2):
        assert signed_in("runs", "start", "crm").code == 0
    assert len({key for _, key, _ in sink.calls}) == 2
    assert signed_in("runs", "start", "crm", "--idempotency-key", "order-7").code == 0
    assert sink.calls[-1][1] == "order-7"


@pytest.mark.extended
def test_a_server_that_stays_busy_is_given_up(signed_in, sink):
    answers(sink, (503, {"detail": "Too many waiting callers."}, {}))
    ended = signed_in("workflows", "list")
    assert ended.code == 4 and ended.err == "Error: Too many waiting callers.\n" and len(sink.calls) == 4


def test_a_long_wait_is_not_waited_for(signed_in, sink):
    answers(sink, (429, {"detail": "Too many requests."}, {"Retry-After": "3600"}))
    ended = signed_in("workflows", "list")
    assert (ended.code, ended.err, len(sink.calls)) == (4, "Error: Too many requests. Retry after 3600 seconds.\n", 1)


def test_a_redirect_is_not_followed(signed_in, sink):
    answers(sink, (302, {}, {"Location": "https://elsewhere.example/"}))
    ended = signed_in("workflows", "list")
    assert ended.code == 4 and "redirects to https://elsewhere.example/" in ended.err and len(sink.calls) == 1


@pytest.mark.parametrize(
    ("status", "problem", "code", "line"),
    [
        (400, {"detail": "The body is not valid JSON."}, 2, "The body is not valid JSON."),
        (401, {"detail": "Send a token."}, 3, "rejected the token. It is wrong, expired or revoked."),
        (403, {"detail": "The token needs the scope run:view."}, 3, "The token needs the scope run:view."),
        (404, {"detail": "There is no run 7 that you can view."}, 1, "Error: There is no run 7 that you can view.\n"),
        (409, {"title": "Conflict"}, 1, "Conflict"),
        (
            422,
            {"detail": "The inputs are not valid.", "errors": [{"field": "inputs.mail", "message": "Enter a value."}]},
            2,
            "The inputs are not valid. inputs.mail: Enter a value.",
        ),
        (418, ["no problem"], 1, "The server answered 418"),
        (404, {"detail": "two\nlines \x1b[31mred"}, 1, "two lines \N{REPLACEMENT CHARACTER}[31mred"),
        (404, {"detail": f"{TOKEN} is unknown"}, 1, "dat_*** is unknown"),
    ],
)
def test_a_problem_is_one_line_and_an_exit_code(signed_in, sink, status, problem, code, line):
    answers(sink, (status, problem, {}))
    ended = signed_in("runs", "show", "7")
    assert ended.code == code and line in ended.err and ended.err.count("\n") == 1
    assert ended.out == "" and TOKEN not in ended.err


def test_programs_get_errors_as_json(signed_in, sink):
    missing = "There is no workflow 'a b' that you can view."
    answers(sink, (404, {"detail": missing}, {}))
    ended = signed_in("workflows", "diff", "--json", "--", "missing")
    assert json.loads(ended.err) == {"error": "missing.yaml cannot be read: No such file or directory.", "exit_code": 2}
    ended = signed_in("--json", "workflows", "show", "a b")
    assert (ended.out, json.loads(ended.err)) == ("", {"error": missing, "exit_code": 1})
    assert json.loads(signed_in("runs", "show", "--json").err)["exit_code"] == 2


@pytest.mark.extended
def test_a_server_that_is_not_there(cli, sink):
    sink.close()
    ended = cli("runs", "list", "--server", sink.url, AUTOMATE_TOKEN=TOKEN)
    assert ended.code == 4 and ended.err == f"Error: {sink.url} cannot be reached: Connection refused.\n"


def test_a_page_that_is_not_the_api(signed_in, sink):
    answers(sink, (200, "hello", {}))
    ended = signed_in("workflows", "list")
    assert ended.code == 4 and "does not answer like the API" in ended.err


def test_all_pages_are_read_up_to_the_limit(signed_in, sink):
    row = {"slug": "crm", "name": "CRM", "status": "active"}
    answers(sink, (200, {"items": [row] * 100, "next": "c"}, {}), (200, {"items": [row] * 100, "next": None}, {}))
    assert len(signed_in("workflows", "list", "--json", "--limit", "130").json()) == 130
    assert [call[0] for call in sink.calls] == [
        "/api/v1/workflows?limit=100",
        "/api/v1/workflows?limit=30&cursor=c",
    ]


# --- where the token goes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "server", ["http://automate.example.com", "http://10.0.0.1:8000", "http://localhost.evil.test"]
)
def test_the_token_does_not_cross_a_network_unencrypted(cli, server):
    for arguments in (["login", server], ["workflows", "list", "--server", server]):
        ended = cli(*arguments, AUTOMATE_TOKEN=TOKEN)
        assert ended.code == 3 and "is not encrypted" in ended.err and TOKEN not in ended.err


@pytest.mark.parametrize(
    "server",
    ["ftp://example.com", "https://", "https://user:secret@example.com", "https://example.com?x=1", "http://[x"],
)
def test_a_server_needs_a_plain_address(cli, server):
    assert cli("workflows", "list", "--server", server, AUTOMATE_TOKEN=TOKEN).code == 2


def test_a_text_that_is_no_token_is_neither_sent_nor_shown(cli, sink):
    for text in ("hunter2-password", f"{TOKEN}\r\nX: y", f"Bearer {TOKEN}"):
        ended = cli("workflows", "list", "--server", sink.url, AUTOMATE_TOKEN=text)
        assert ended.code == 3 and "not an API token" in ended.err
        assert "hunter2" not in ended.err and TOKEN not in ended.err
    assert sink.calls == []


def test_a_rejected_token_is_not_stored(cli, sink, home):
    answers(sink, (401, {"detail": "Send a token."}, {}))
    ended = cli("login", sink.url, stdin=TOKEN)
    assert ended.code == 3 and "rejected the token" in ended.err
    assert not (home / "config").exists()


def test_nobody_is_signed_in_at_first(cli):
    assert cli("workflows", "list").code == cli("logout").code == 3


def test_signing_out_deletes_the_token(signed_in, sink, home):
    assert signed_in("logout").out == f"Signed out of {sink.url}.\n"
    assert TOKEN not in (home / "config" / "automate" / "credentials.json").read_text()
    assert signed_in("workflows", "list").code == 3


def test_each_server_has_its_token_and_the_last_one_is_the_default(signed_in, sink):
    other = sink.url.replace("127.0.0.1", "localhost")
    second = "dat_ZZZZ1234_" + "x" * 49
    assert signed_in("login", other, AUTOMATE_TOKEN=second).code == 0
    sink.headers.clear()
    for server in ([], ["--server", sink.url], ["--server", f"{other}/"]):
        assert signed_in("workflows", "list", *server).code == 0
    assert [each["authorization"][7:] for each in sink.headers] == [second, TOKEN, second]
    assert signed_in("logout").code == 0 and signed_in("workflows", "list").code == 0
    assert signed_in("logout", "--all", "--json").json() == {"servers": [sink.url]}


# --- arguments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing"],
        ["runs", "start"],
        ["runs", "start", "crm", "--input", "nothing"],
        ["runs", "start", "crm", "--input", "n:={"],
        ["runs", "start", "crm", "--input", "n:=NaN"],
        ["runs", "start", "crm", "--inputs", "missing.json"],
        ["runs", "list", "--status", "happy"],
        ["workflows", "pull"],
        ["workflows", "pull", "../etc"],
        ["workflows", "push", "missing"],
        ["completion", "tcsh"],
    ],
)
def test_mistakes_are_found_without_a_request(signed_in, sink, arguments):
    ended = signed_in(*arguments)
    assert ended.code == 2 and ended.err.startswith("Error: ") and ended.err.count("\n") == 1
    assert sink.calls == []


def test_inputs_are_texts_json_and_files(signed_in, sink, home):
    answers(sink, (202, {"id": "7", "status": "queued", "url": "/api/v1/runs/7"}, {}))
    (home / "work" / "inputs.json").write_text('{"note": "ä", "count": 1}')
    typed = ["--input", "count:=2", "--input", "text=a=b: 3", "--input", "list:=[1]"]
    assert signed_in("runs", "start", "crm", "--inputs", "inputs.json", *typed).code == 0
    assert sink.calls[-1][2] == {"inputs": {"note": "ä", "count": 2, "text": "a=b: 3", "list": [1]}}
    assert signed_in("runs", "start", "crm", "--inputs", "-", stdin='{"a": null}').code == 0
    assert sink.calls[-1][2] == {"inputs": {"a": None}}


def test_a_bulk_replay_counts_first_and_takes_what_it_counted(signed_in, sink):
    counted = {"found": 5, "applies_to": 3, "newest": "n", "not_permitted": 0, "replayed": 2, "unprocessed": 0}
    answers(sink, (200, {**counted, "unsuitable": 0}, {}), (202, {"id": "a", "total": 3}, {}))
    chosen = ("events", "replay-unstarted", "--source", "webhook:github", "--since", "24h")
    ended = signed_in(*chosen)
    assert ended.code == 0 and "3 of 5 events that started no run can be replayed; left out: 2 already" in ended.out
    filters = {"source": "webhook:github", "since": "24h"}
    sent = [json.loads(body) for body in sink.bodies]
    assert sent == [{"filters": filters, "dry_run": True}, {"filters": filters, "upto": "n"}]
    sink.bodies.clear()
    answers(sink, (200, {**counted, "unsuitable": 0}, {}))
    assert signed_in(*chosen, "--dry-run").code == 0 and len(sink.bodies) == 1
    assert signed_in("events", "replay-unstarted").code == 2
