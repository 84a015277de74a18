"""Settings from environment variables, and the site's own files in `.data/`: database, keys, URL."""

from __future__ import annotations

import json
import math
import os
import re
import secrets
import zoneinfo
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from automate_core.proxies import read_networks
from automate_egress.policy import is_proxy_url, split_host
from automate_governance.secrets.keyring import generate_key
from automate_site import site_lock
from automate_site.embedded_postgres import Cluster, PostgresError, binaries

DEFAULT_PORT = 8000
BASE_DIR: Path = Path(__file__).resolve().parent.parent


def data_folder() -> Path:
    """Folder of the site's own files: `AUTOMATE_DATA`, else `.data` in the checkout."""
    return Path(os.environ.get("AUTOMATE_DATA") or BASE_DIR / ".data")


def embedded_cluster() -> Cluster | None:
    """The embedded PostgreSQL, or None when DATABASE_URL is set."""
    return None if os.environ.get("DATABASE_URL") else Cluster(data_folder() / "postgres")


def database() -> dict[str, Any]:
    """Django's database settings for DATABASE_URL or the embedded PostgreSQL. Raises ImproperlyConfigured."""
    cluster = embedded_cluster()
    url = cluster.url if cluster else os.environ["DATABASE_URL"]
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"}:
        raise ImproperlyConfigured("DATABASE_URL must begin with postgresql://; no other database is supported.")
    is_cut = parts.fragment or ("@" in parts.query and "=" not in parts.query) or re.search("[/@]", parts.path[1:])
    if not cluster and is_cut:  # by a character of the password
        raise ImproperlyConfigured(
            "DATABASE_URL: write special characters of the user and the password as %40 for @, %2F for / and so on."
        )
    options = dict(parse_qsl(parts.query))
    try:
        port = parts.port
    except ValueError as error:
        raise ImproperlyConfigured("The port in DATABASE_URL is not a number.") from error
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", parts.hostname or ""),
        "PORT": options.pop("port", str(port or "")),
        "OPTIONS": {"connect_timeout": "5", **options},
    }


def read_or_create(name: str, make: Any) -> str:
    """Return the value in the file `name` of the data folder; the first call creates it with `make()` (mode 0600).

    Raises ImproperlyConfigured when the folder cannot be written.
    """
    path = data_folder() / name
    try:
        if path.exists():
            return path.read_text().strip()
        path.parent.mkdir(parents=True, exist_ok=True)
        value: str = make()
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(value + "\n")
        return value
    except FileExistsError:  # another process made it at this moment
        return path.read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"{path} cannot be read or written ({error.strerror}). Make the folder writable, or set AUTOMATE_DATA"
        ) from error


def secret_key() -> str:
    """Django's SECRET_KEY: `AUTOMATE_SECRET_KEY`, else a generated one."""
    return os.environ.get("AUTOMATE_SECRET_KEY") or read_or_create("secret-key", lambda: secrets.token_urlsafe(50))


def secrets_keys() -> list[str]:
    """Encryption keys of stored secrets, newest first.

    They are separated by commas or white space in `AUTOMATE_SECRETS_KEYS`, or in the file `AUTOMATE_SECRETS_KEYS_FILE`;
    else there is one generated key. Raises ImproperlyConfigured.
    """
    given = os.environ.get("AUTOMATE_SECRETS_KEYS")
    if path := None if given else os.environ.get("AUTOMATE_SECRETS_KEYS_FILE"):
        try:
            return Path(path).read_text(encoding="utf-8").replace(",", " ").split()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not text"
            raise ImproperlyConfigured(f"AUTOMATE_SECRETS_KEYS_FILE: {path} cannot be read ({reason})") from error
    return (given or read_or_create("secrets-key", generate_key)).replace(",", " ").split()


def key_files() -> dict[str, Path]:
    """Files of generated keys, by setting; keys that a variable sets are left out."""
    files = {}
    if not os.environ.get("AUTOMATE_SECRET_KEY"):
        files["SECRET_KEY"] = data_folder() / "secret-key"
    if not os.environ.get("AUTOMATE_SECRETS_KEYS") and not os.environ.get("AUTOMATE_SECRETS_KEYS_FILE"):
        files["AUTOMATE_SECRETS_KEYS"] = data_folder() / "secrets-key"
    return files


def postgres_programs() -> str:
    """Folder of pg_dump: `AUTOMATE_PG_BIN`, else that of the embedded PostgreSQL; empty without both."""
    try:
        return os.environ.get("AUTOMATE_PG_BIN") or str(binaries())
    except PostgresError:
        return ""


def vault() -> dict[str, Any]:
    """The setting AUTOMATE_VAULT, from the variables whose names begin with it; empty without AUTOMATE_VAULT_URL."""
    given = {
        "url": os.environ.get("AUTOMATE_VAULT_URL"),
        "token": os.environ.get("AUTOMATE_VAULT_TOKEN"),
        "role_id": os.environ.get("AUTOMATE_VAULT_ROLE_ID"),
        "secret_id": os.environ.get("AUTOMATE_VAULT_SECRET_ID"),
        "namespace": os.environ.get("AUTOMATE_VAULT_NAMESPACE"),
        "mount": os.environ.get("AUTOMATE_VAULT_MOUNT"),
        "auth_mount": os.environ.get("AUTOMATE_VAULT_AUTH_MOUNT"),
        "cache_seconds": number("AUTOMATE_VAULT_CACHE_SECONDS", 30, least=0),
    }
    return {name: value for name, value in given.items() if value is not None} if given["url"] else {}


def site_url() -> str:
    """URL of the site for people: `AUTOMATE_SITE_URL`, else the loopback address with the port; no slash at the end.

    Raises ImproperlyConfigured.
    """
    given = (os.environ.get("AUTOMATE_SITE_URL") or f"http://127.0.0.1:{port()}").rstrip("/")
    parts = urlsplit(given)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path:
        raise ImproperlyConfigured(f"AUTOMATE_SITE_URL must be like https://automate.example.com, not {given!r}.")
    return given


def port() -> int:
    """Port to serve on: PORT, else that of the running site, else 8000. Raises ImproperlyConfigured."""
    given = os.environ.get("PORT")
    if not given:
        return site_lock.port_of(data_folder()) or DEFAULT_PORT
    if not given.isdecimal() or not 1 <= int(given) <= 65_535:
        raise ImproperlyConfigured(f"PORT must be a number from 1 to 65535, not {given!r}.")
    return int(given)


def number(name: str, default: float, *, least: float) -> float:
    """Number in the variable `name`, at least `least`. Raises ImproperlyConfigured."""
    given = os.environ.get(name) or str(default)
    try:
        value = float(given)
    except ValueError:
        value = math.nan
    if not least <= value < math.inf:
        raise ImproperlyConfigured(f"{name} must be a number of at least {least:g}, not {given!r}.")
    return value


def one_of(name: str, *choices: str) -> str:
    """Value of the variable `name`, the first of `choices` when it is not set. Raises ImproperlyConfigured."""
    given = os.environ.get(name) or choices[0]
    if given not in choices:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(filter(None, choices))}, not {given!r}.")
    return given


def time_zone() -> str:
    """Time zone of people who chose none, in `AUTOMATE_TIME_ZONE`; UTC by default. Raises ImproperlyConfigured."""
    given = os.environ.get("AUTOMATE_TIME_ZONE") or "UTC"
    if given not in zoneinfo.available_timezones():
        raise ImproperlyConfigured(f"AUTOMATE_TIME_ZONE must be a name like Europe/Berlin, not {given!r}.")
    return given


def hosts(name: str) -> list[str]:
    """`host:port` pairs in the variable `name`, separated by commas. Raises ImproperlyConfigured."""
    pairs = [pair.strip() for pair in os.environ.get(name, "").split(",") if pair.strip()]
    for pair in pairs:
        try:
            split_host(pair)
        except ValueError as error:
            raise ImproperlyConfigured(f"{name} takes pairs like db.internal:8080: {error}.") from error
    return pairs


def networks(name: str) -> list[str]:
    """Addresses and networks in the variable `name`, separated by commas. Raises ImproperlyConfigured."""
    given = [entry.strip() for entry in os.environ.get(name, "").split(",") if entry.strip()]
    try:
        read_networks(given)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} takes addresses and networks like 10.0.0.0/8: {error}.") from error
    return given


def demo(name: str) -> bool:
    """Whether the demo is on: by default on a local site, never on any other. Raises ImproperlyConfigured."""
    given = one_of(name, "", "on", "off")
    is_local = urlsplit(site_url()).hostname in {"127.0.0.1", "localhost", "::1"}
    is_local = is_local and not os.environ.get("AUTOMATE_TRUSTED_PROXIES")
    if given == "on" and not is_local:
        raise ImproperlyConfigured(
            f"{name}=on is only for a site on this machine: its echo service answers everyone. Remove {name}, or "
            "AUTOMATE_SITE_URL and AUTOMATE_TRUSTED_PROXIES."
        )
    return given != "off" and is_local


def web_ports(name: str) -> list[int]:
    """Ports in the variable `name`, separated by commas; 80 and 443 by default. Raises ImproperlyConfigured."""
    given = [port.strip() for port in os.environ.get(name, "80,443").split(",")]
    if not all(port.isascii() and port.isdigit() and 1 <= int(port) <= 65_535 for port in given):
        raise ImproperlyConfigured(f"{name} takes ports separated by commas, such as 80,443,8443.")
    return [int(port) for port in given]


def proxy(name: str) -> str:
    """URL of a web proxy in the variable `name`, "" when it is not set. Raises ImproperlyConfigured."""
    given = os.environ.get(name, "")
    if given and not is_proxy_url(given):
        raise ImproperlyConfigured(f"{name} must be like http://proxy.internal:4750.")
    return given


def json_file(name: str) -> dict[str, Any]:
    """JSON object in the file that the variable `name` names; empty when it is not set. Raises ImproperlyConfigured."""
    path = os.environ.get(name)
    if not path:
        return {}
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ImproperlyConfigured(f"{name}: {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {path} is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise ImproperlyConfigured(f"{name}: {path} does not contain a JSON object.")
    return value
