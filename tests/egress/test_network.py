"""Connections of other protocols than HTTP: their time, their hosts and their ports, to the last one."""

from __future__ import annotations

import socket

import pytest

from automate_egress import EgressBlockedError, EgressTimeoutError, Network, network
from automate_egress.errors import EgressCancelledError
from automate_egress.retry_after import retry_after
from automate_egress.sockets import forget_lookups

PUBLIC = [f"93.184.216.{number}" for number in (34, 35, 36)]


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands, and a resolver that knows three public addresses."""
    now = [1_000.0]
    monkeypatch.setattr(network.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda *args: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 25)) for each in PUBLIC],
    )
    forget_lookups()
    yield now
    forget_lookups()


def test_there_are_thirty_seconds_where_no_deadline_is_given(clock):
    given = Network()
    assert given.remaining() == 30.0
    clock[0] += 29.75
    assert given.remaining() == 0.25 and given.is_open()
    clock[0] += 0.25
    assert not given.is_open()
    with pytest.raises(EgressTimeoutError):
        given.remaining()


def test_a_cancelled_one_is_closed(clock):
    given = Network(cancelled=lambda: True)
    assert not given.is_open()
    with pytest.raises(EgressCancelledError):
        given.remaining()


@pytest.mark.parametrize(("left", "timeout"), [(4.0, 2.0), (10.0, 5.0), (60.0, 5.0)])
def test_an_address_gets_half_of_the_time_and_five_seconds_at_most(clock, monkeypatch, left, timeout):
    tried = []
    monkeypatch.setattr(network, "connect", lambda found, *, policy, timeout: tried.append(timeout))
    Network(deadline=clock[0] + left).connect("public.test", 25, ports={25})
    assert tried == [timeout]


def test_two_addresses_of_a_name_are_given(clock):
    assert Network().addresses("public.test", 25, ports={25}) == PUBLIC[:2]


@pytest.mark.parametrize(
    ("hosts", "is_bound"), [(None, True), ([], False), (["PUBLIC.test."], True), (["other.test"], False)]
)
def test_a_bound_network_reaches_its_hosts_alone(clock, hosts, is_bound):
    bound = Network(bound_hosts=hosts)
    if is_bound:
        assert bound.addresses("public.test", 25, ports={25})
    else:
        with pytest.raises(EgressBlockedError, match="cannot be used for"):
            bound.addresses("public.test", 25, ports={25})


def test_an_internal_host_is_a_name_with_a_port(clock):
    given = Network(internal_hosts=["mail.test:25"])
    assert given.is_internal("MAIL.test.", 25)
    assert not given.is_internal("mail.test", 26) and not given.is_internal("other.test", 25)


def test_a_refusal_says_whom_to_ask_and_repeats_little(clock):
    with pytest.raises(EgressBlockedError) as caught:
        Network(internal_hosts=["db.test:5432"]).addresses("public.test", 22, ports={587, 25})
    assert str(caught.value) == (
        "Blocked: the port of public.test:22 is not allowed. An administrator can add it to AUTOMATE_EGRESS_ALLOW."
    )
    with pytest.raises(EgressBlockedError) as caught:
        Network().addresses("a/" + "b" * 200, 25, ports={25, 443})
    assert str(caught.value) == f"'a/{'b' * 98}' is not a host name."


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None), ({"retry-after": "7"}, 7.0), ({"retry-after": " 1.5 "}, 1.5), ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25), ({"retry-after-ms": "x", "retry-after": "9"}, 9.0),
        ({"retry-after": "-1"}, None), ({"retry-after": "1234567890"}, None), ({"retry-after": "\u0661"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0), ({"retry-after": "Thu, 01 Jan 1970 00:33:20 GMT"}, 1_000.0),
        ({"retry-after": "soon"}, None), ({"retry-after": "Wed, 21 Oct 99999 07:28:00 GMT"}, None),
    ],
)  # fmt: skip
def test_the_other_side_says_how_long_to_wait(headers, seconds, monkeypatch):
    moment = 1_000.0 if seconds == 1_000.0 else 1_800_000_000.0
    monkeypatch.setattr("automate_egress.retry_after.time.time", lambda: moment)
    assert retry_after(headers) == seconds
