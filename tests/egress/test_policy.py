"""The edges of the egress rules: the last port, address and redirect that are allowed, and the first that is not."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from ssrfguard import BlockedAddressError

from automate_egress.policy import ascii_host, internal_policy, is_listed_host, is_proxy_url, public_policy, split_host


@pytest.mark.parametrize("port", [1, 80, 65_535])
def test_a_port_is_a_number_of_tcp(port):
    assert split_host(f" db.internal:{port} ") == ("db.internal", port)


@pytest.mark.parametrize(
    "value", ["db.internal", ":80", "db:0", "db:-1", "db:65536", "db:8o", "db:٣", "db:³", "db:", ""]
)
def test_what_is_not_a_host_and_a_port_is_refused(value):
    with pytest.raises(ValueError, match="is not host:port"):
        split_host(value)
    assert not is_listed_host("db", 80, [value])


def test_a_listed_host_is_its_name_and_its_port():
    assert is_listed_host("DB.internal.", 80, ["db.internal:80"])
    assert not is_listed_host("db.internal", 81, ["db.internal:80"])
    assert not is_listed_host("other.internal", 80, ["db.internal:80"])


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        ("http://proxy.test:3128", True), ("https://proxy.test:443", True), ("ftp://proxy.test:21", False),
        ("http://proxy.test", False), ("http://:3128", False), ("proxy.test:3128", False), ("http://proxy.test:x", False),
    ],
)  # fmt: skip
def test_a_proxy_is_a_web_address_with_a_port(value, is_one):
    assert is_proxy_url(value) is is_one


def test_public_web_servers_are_reached_on_the_ports_of_the_web():
    policy = public_policy()
    assert policy.allowed_ports == {80, 443} and policy.allowed_schemes == {"https"}
    assert public_policy(https_only=False).allowed_schemes == {"https", "http"}
    assert policy.max_redirects == internal_policy([("db", 80)]).max_redirects == 5
    assert policy.max_connection_attempts == internal_policy([("db", 80)]).max_connection_attempts == 2


@pytest.mark.parametrize(
    "address",
    [
        "2606:4700::5efe:a00:1", "2606:4700::200:5efe:a00:1",  # ISATAP, with and without the universal bit
        "168.63.129.16", "::ffff:0:a00:1", "::ffff:0:ffff:ffff",
    ],
)  # fmt: skip
def test_addresses_that_stand_for_others_are_refused(address):
    for policy in (public_policy(), internal_policy([("db", 80)])):
        for given in (address, ip_address(address)):
            with pytest.raises(BlockedAddressError):
                policy.check_address(given)


@pytest.mark.parametrize(
    "address", ["2606:4700::5eff:a00:1", "2606:4700::5efd:a00:1", "2606:4700::100:5efe:a00:1", "2606:4700::400:5efe:1:1",
                "2606:4700:5efe::1", "168.63.129.17", "168.63.129.15"]
)  # fmt: skip
def test_their_neighbours_are_not(address):
    public_policy().check_address(address)


@pytest.mark.parametrize(
    ("address", "is_open"),
    [
        ("127.0.0.1", True), ("127.255.255.255", True), ("10.255.255.255", True), ("172.16.0.1", True),
        ("172.31.255.255", True), ("192.168.255.255", True), ("::1", True), ("fd12::7", True), ("fc00::1", True),
        ("fd00:ec2::254", False), ("fd00:ec2:ffff::1", False), ("fd00:ec1::1", True), ("fd00:ec3::1", True),
        ("169.254.169.254", False), ("fe80::1", False), ("0.0.0.1", False), ("100.64.0.1", False),
    ],
)  # fmt: skip
def test_named_hosts_may_be_on_loopback_and_private_networks_alone(address, is_open):
    policy = internal_policy([("db", 80)])
    if is_open:
        policy.check_address(address)
    else:
        with pytest.raises(BlockedAddressError):
            policy.check_address(address)


def test_a_name_is_compared_as_it_is_on_the_wire():
    assert ascii_host("BÜCHER.example.") == "xn--bcher-kva.example"
    assert ascii_host("a\u3002b") == "a.b"
    for strange in ("ü b", "ü/b", "ü@b", "ü" * 80):
        assert ascii_host(strange) == strange, "what is no name stays as it is, and is found in no list"
