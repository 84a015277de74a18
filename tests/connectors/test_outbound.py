"""The settings that say what may be reached: what they do, and how a wrong one is told."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from automate_connectors.models import Connection, _is_host
from automate_connectors.outbound import check_settings, outbound_clients
from automate_egress import EgressBlockedError, EgressConnectionError
from automate_egress.policy import is_listed_host
from automate_site import environment


def test_the_settings_reach_the_ways_out(settings, monkeypatch):
    settings.AUTOMATE_EGRESS_ALLOW = ["127.0.0.1:1"]
    settings.AUTOMATE_EGRESS_PORTS = [443, 8443]
    ways = outbound_clients(bound_hosts=["127.0.0.1", "93.184.216.34"])
    with pytest.raises(EgressConnectionError):
        ways["http"].request("GET", "http://127.0.0.1:1/")
    with pytest.raises(EgressConnectionError):
        ways["network"].connect("127.0.0.1", 1, ports=())
    with pytest.raises(EgressBlockedError, match="An administrator can add it"):
        ways["http"].request("GET", "https://93.184.216.34:444/")
    with pytest.raises(EgressBlockedError, match="cannot be used for"):
        ways["http"].request("GET", "https://93.184.216.35/")


SPELLINGS = [
    "B\u00fccher.localhost",
    "xn--bcher-kva.localhost.",
    "B\u00dcCHER\u3002localhost",
    "\uff42u\u0308cher.localhost",
]


@pytest.mark.parametrize("bound", SPELLINGS)
@pytest.mark.parametrize("asked", ["b\u00fccher.localhost", "XN--bcher-kva.localhost"])
def test_host_names_are_compared_in_one_form(settings, bound, asked):
    """What is bound to a host goes there, however either is written, and to no host that only looks like it."""
    settings.AUTOMATE_EGRESS_ALLOW = [f"{bound}:1"]
    ways = outbound_clients(bound_hosts=[bound])
    with pytest.raises(EgressConnectionError):
        ways["http"].request("GET", f"http://{asked}:1/")
    with pytest.raises(EgressConnectionError):
        ways["network"].connect(asked, 1, ports=())
    for other in ("bucher.localhost", "b\u00fccher.localhost.example.com"):
        with pytest.raises(EgressBlockedError, match="cannot be used for"):
            ways["http"].request("GET", f"http://{other}:1/")
    assert Connection(allowed_hosts=[bound]).hosts() == [bound] and _is_host(bound)
    assert is_listed_host(asked, 1, [f"{bound}:1", "no port"]) is False, "a setting that is wrong allows nothing"


@pytest.mark.parametrize(
    ("name", "value", "number"),
    [
        ("AUTOMATE_EGRESS_ALLOW", ["db.internal"], 1),
        ("AUTOMATE_EGRESS_ALLOW", ["db.internal:99999"], 1),
        ("AUTOMATE_EGRESS_PORTS", ["443"], 2),
        ("AUTOMATE_EGRESS_PORTS", [0], 2),
        ("AUTOMATE_EGRESS_PROXY", "proxy.internal:4750", 3),
        ("AUTOMATE_EGRESS_PROXY", "http://proxy.internal", 3),
    ],
)
def test_wrong_settings_are_system_checks(settings, name, value, number):
    assert check_settings(None) == []
    setattr(settings, name, value)
    [found] = check_settings(None)
    assert found.id == f"automate_connectors.E01{number}" and name in found.msg


def test_the_environment(monkeypatch):
    assert environment.web_ports("AUTOMATE_EGRESS_PORTS") == [80, 443]
    assert environment.proxy("AUTOMATE_EGRESS_PROXY") == ""
    monkeypatch.setenv("AUTOMATE_EGRESS_PORTS", "443, 8443")
    monkeypatch.setenv("AUTOMATE_EGRESS_PROXY", "http://proxy.internal:4750")
    assert environment.web_ports("AUTOMATE_EGRESS_PORTS") == [443, 8443]
    assert environment.proxy("AUTOMATE_EGRESS_PROXY") == "http://proxy.internal:4750"
    for name, value, read in (
        ("AUTOMATE_EGRESS_PORTS", "443,", environment.web_ports),
        ("AUTOMATE_EGRESS_PORTS", "many", environment.web_ports),
        ("AUTOMATE_EGRESS_PROXY", "proxy", environment.proxy),
        ("AUTOMATE_EGRESS_PROXY", "socks5://proxy:1080", environment.proxy),
    ):
        monkeypatch.setenv(name, value)
        with pytest.raises(ImproperlyConfigured, match=name):
            read(name)
