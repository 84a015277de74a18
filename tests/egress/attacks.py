"""URLs that try to reach what workflows may not, by the class of bypass; security has a row for each class.

Names below `.test` resolve as `NAMES` says. A row that needs the address table stands under `ADDRESSES`: without the
table it would be connected to. Those under `SHAPES` are refused for their form.
"""

# ruff: noqa: RUF001 - look-alikes of digits and letters are one of the attacks

from __future__ import annotations

NAMES = {
    "public.test": ["93.184.216.34"],
    "münchen.test": ["93.184.216.34"],
    "xn--mnchen-3ya.test": ["93.184.216.34"],
    "private.test": ["10.0.0.7"],
    "loopback.test": ["127.0.0.1"],
    "loopback6.test": ["::1"],
    "mapped.test": ["::ffff:169.254.169.254"],
    "metadata.test": ["169.254.169.254"],
    "azure.test": ["168.63.129.16"],
    "mixed.test": ["93.184.216.34", "10.0.0.7"],
    "mixed6.test": ["2606:2800:220:1::1", "fd00::7"],
    "nat64.test": ["64:ff9b::a9fe:a9fe"],
    "localhost": ["127.0.0.1"],
    "localhost.localdomain": ["127.0.0.1"],
    "localtest.me": ["127.0.0.1"],
    "127.0.0.1.nip.io": ["127.0.0.1"],
    "metadata.google.internal": ["169.254.169.254"],
}

ADDRESSES = {
    "this network and unspecified": "0.0.0.0 0.1.2.3 [::] [0:0:0:0:0:0:0:0]",
    "loopback": "127.0.0.1 127.0.0.2 127.255.255.254 [::1] [0:0:0:0:0:0:0:1] [0000::0001]",
    "private": "10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1 192.168.255.255",
    "carrier and benchmarking": "100.64.0.1 100.127.255.254 198.18.0.1 198.19.255.254",
    "link-local": "169.254.0.1 169.254.255.255 [fe80::1] [febf::1]",
    "documentation and protocol": "192.0.0.1 192.0.2.1 198.51.100.1 203.0.113.1 [2001:db8::1] [3fff::1]",
    "multicast, reserved and broadcast": ("224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255 [ff02::1] [ff0e::1]"),
    "deprecated": "192.88.99.1 [fec0::1] [5f00::1] [100::1] [2001:2::1] [2001:10::1]",
    "unique local": "[fc00::1] [fd12:3456:789a::1] [fdff::1]",
    "metadata": (
        "169.254.169.254 169.254.170.2 169.254.170.23 [fd00:ec2::254] [fd00:ec2::23] 100.100.100.200 192.0.0.192 "
        "168.63.129.16"
    ),
    "IPv4-mapped": (
        "[::ffff:127.0.0.1] [::ffff:7f00:1] [::ffff:10.0.0.1] [::ffff:a9fe:a9fe] [0:0:0:0:0:ffff:127.0.0.1] "
        "[::ffff:168.63.129.16]"
    ),
    "IPv4-compatible": "[::127.0.0.1] [::7f00:1] [::10.0.0.1] [::169.254.169.254]",
    "IPv4-translated": "[::ffff:0:127.0.0.1] [::ffff:0:7f00:1] [::ffff:0:169.254.169.254]",
    "NAT64": "[64:ff9b::7f00:1] [64:ff9b::a9fe:a9fe] [64:ff9b::10.0.0.1] [64:ff9b:1::7f00:1] [64:ff9b:1:fffe::a00:1]",
    "6to4": "[2002:7f00:1::] [2002:a00:1::1] [2002:a9fe:a9fe::1] [2002:a83f:8110::1]",
    "Teredo": "[2001:0:7f00:1::1] [2001:0:4136:e378:8000:63bf:80ff:fffe] [2001:0:a9fe:a9fe:0:0:5601:5601]",
    "ISATAP": "[2606:2800:220:1:0:5efe:127.0.0.1] [2606:2800:220:1:200:5efe:10.0.0.1] [2a00:1450::5efe:a9fe:a9fe]",
    "names": (
        "private.test loopback.test loopback6.test mapped.test metadata.test azure.test nat64.test localhost LOCALHOST "
        "localhost. localhost.localdomain localtest.me 127.0.0.1.nip.io metadata.google.internal"
    ),
    "mixed answers": "mixed.test mixed6.test",
}

SHAPES = {
    "decimal": "https://2130706433/ https://3232235777/ https://2852039166/ https://017700000001/ https://4294967296/",
    "octal": "https://0177.0.0.1/ https://0177.0.0.01/ https://00000177.0.0.1/ https://0300.0250.0.1/",
    "hexadecimal": "https://0x7f000001/ https://0x7f.0.0.1/ https://0x7f.0x0.0x0.0x1/ https://0xa9fea9fe/ https://0X7F.1/",
    "short and padded": "https://127.1/ https://127.0.1/ https://0/ https://127.000.000.001/ https://10.1/ https://1/",
    "overflow": "https://127.0.0.257/ https://256.256.256.256/ https://127.0.0.4294967297/ https://383.0.0.1/",
    "too many parts": "https://127.0.0.1.1/ https://127.0.0.1../ https://.127.0.0.1/ https://127..0.0.1/",
    "full-width and circled": (
        "https://①②⑦.⓪.⓪.①/ https://１２７.０.０.１/ https://127。0。0。1/ https://127．0．0．1/ "
        "https://127｡0｡0｡1/ https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/ https://ｌｏｃａｌｈｏｓｔ/ https://①⑥⑨.②⑤④.①⑥⑨.②⑤④/"
    ),
    "zones": "https://[fe80::1%25eth0]/ https://[::1%25lo]/ https://[fe80::1%eth0]/ https://[::1%1]/",
    "user information": (
        "https://user:pass@public.test/ https://public.test@127.0.0.1/ https://127.0.0.1@public.test/ "
        "https://public.test:443@127.0.0.1/ https://@127.0.0.1/ https://a:b@public.test@127.0.0.1/ "
        "https://public.test%40127.0.0.1/"
    ),
    "backslashes": (
        r"https://public.test\@127.0.0.1/ https://127.0.0.1\@public.test/ https://public.test\.127.0.0.1/ "
        r"https:\\127.0.0.1/ https:/\127.0.0.1/ https://127.0.0.1\.public.test/"
    ),
    "fragments and queries": (
        "https://127.0.0.1#@public.test/ https://127.0.0.1?@public.test/ https://127.0.0.1/#public.test "
        "https://127.0.0.1;public.test/"
    ),
    "encoded hosts": "https://127%2e0%2e0%2e1/ https://%31%32%37.0.0.1/ https://%6c%6f%63alhost/ https://127.0.0.1%00/",
    "schemes": (
        "http://public.test/ ftp://public.test/ file:///etc/passwd file://localhost/etc/passwd gopher://127.0.0.1:6379/_x "
        "dict://127.0.0.1:11211/ ldap://127.0.0.1/ tftp://127.0.0.1/ jar:https://public.test!/ data:text/plain,x "
        "javascript:alert(1) netdoc:///etc/passwd sftp://public.test/ ws://public.test/ //127.0.0.1/ /etc/passwd"
    ),
    "unix sockets": (
        "unix:///var/run/docker.sock http+unix://%2Fvar%2Frun%2Fdocker.sock/info "
        "https+unix://%2Fvar%2Frun%2Fdocker.sock/ unix:/var/run/docker.sock"
    ),
    "ports": (
        "https://public.test:22/ https://public.test:25/ https://public.test:6379/ https://public.test:8080/ "
        "https://public.test:0/ https://public.test:65536/ https://public.test:-1/ https://public.test:443x/ "
        "https://public.test:%34%34%33/"
    ),
    "broken": "https:// https:/// https://[::1/ https://::1/ https://[127.0.0.1/ https://[v1.x]/ https://a..test/ https:public.test",
}

CONTROLS = [
    "https://127.0.0.1\r\nHost: public.test/",
    "https://public.test\r\n.127.0.0.1/",
    "https://public.test/\r\nX-Injected: 1",
    "https://127.0.0.1\t.public.test/",
    "https://public\t.test/",
    "https://127.0.0.1\x00.public.test/",
    "https://public.test\x00@127.0.0.1/",
    "https://pub lic.test/",
    "\thttps://127.0.0.1/",
    "https://127.0.0.1\n/",
    "https://public.test\u2028/",
    "https://" + "a" * 300 + ".test/",
    "https://public.test/" + "a" * 9000,
]

ALLOWED = """
https://public.test/
https://PUBLIC.test/path?query=1#fragment
https://public.test:443/
https://public.test./
https://münchen.test/
https://xn--mnchen-3ya.test/
https://93.184.216.34/
https://[2606:2800:220:1::1]/
https://[::ffff:93.184.216.34]/
https://[64:ff9b::5db8:d822]/
https://public.test/a@b/c:d?url=https://127.0.0.1/
https://168.63.129.15/
""".strip().splitlines()


def addresses() -> list[tuple[str, str]]:
    """(class, URL) for each row that the address table refuses."""
    return [(kind, f"https://{host}/latest/") for kind, hosts in ADDRESSES.items() for host in hosts.split()]


def shapes() -> list[tuple[str, str]]:
    """(class, URL) for each row that is refused for its form."""
    listed = [(kind, url) for kind, urls in SHAPES.items() for url in urls.split()]
    return listed + [("control characters", url) for url in CONTROLS]
