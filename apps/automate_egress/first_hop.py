"""The first hop of a request, straight on the guarded pools of urllib3: what requests does, without its session.

Preparing the URL and the body is left to requests, so that both are what they were. Redirects are followed by requests.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests  # noqa: TID251 - for its form of URLs and bodies, and its errors
from requests.structures import CaseInsensitiveDict  # noqa: TID251
from requests.utils import check_header_validity  # noqa: TID251
from ssrfguard.requests import SafeAdapter
from urllib3 import BaseHTTPResponse  # noqa: TID251 - the answers of this package's own pools
from urllib3.exceptions import (  # noqa: TID251
    ClosedPoolError,
    ConnectTimeoutError,
    InvalidHeader,
    LocationValueError,
    MaxRetryError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.util import Timeout  # noqa: TID251

KEPT_URLS = 256  #: URLs whose form and guard are kept: workflows call the same ones again
_PORTS = {"http": 80, "https": 443}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer whose body is still to be read, by the names of `requests.Response`."""

    raw: BaseHTTPResponse
    url: str

    @property
    def status_code(self) -> int:
        """The status."""
        return self.raw.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, as urllib3 has them."""
        return self.raw.headers

    @property
    def is_redirect(self) -> bool:
        """Whether it names another URL to go on at."""
        return self.raw.status in _REDIRECTS and "location" in self.raw.headers

    def close(self) -> None:
        """Give the connection back to its pool, or close it when the body was not read to its end."""
        self.raw.close()
        self.raw.release_conn()


def prepare_request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    defaults: Mapping[str, str],
    params: Any = None,
    json: Any = None,
    data: Any = None,
) -> requests.PreparedRequest:
    """Return a request as requests would send it. `headers` come before `defaults`; None takes a default out.

    Raises ValueError for a URL or a header that HTTP cannot carry.
    """
    prepared = requests.PreparedRequest()
    prepared.method = method
    if params:
        prepared.prepare_url(url, params)
    else:
        prepared.url = _prepared_url(url)
    prepared.headers = CaseInsensitiveDict(defaults)
    for name, value in headers.items():
        if value is None:
            prepared.headers.pop(name, None)
        else:
            check_header_validity((name, value))
            prepared.headers[name] = value
    prepared.prepare_body(data, None, json)
    if "@" in (prepared.url or ""):
        prepared.prepare_auth(None)  # of the URL's user information
    return prepared


@functools.lru_cache(KEPT_URLS)
def _prepared_url(url: str) -> str | None:
    """The URL as requests would send it. Raises ValueError."""
    prepared = requests.PreparedRequest()
    prepared.prepare_url(url, None)
    return prepared.url


def send_request(
    adapter: SafeAdapter, prepared: requests.PreparedRequest, *, timeout: Timeout, authorities: str
) -> Answer:
    """Send by the adapter's pools, which connect to checked addresses alone. Raises what requests would raise."""
    url, headers = str(prepared.url), prepared.headers
    try:
        response = _pool(adapter, url, authorities).urlopen(
            method=str(prepared.method),
            url=_path(prepared.path_url),
            body=prepared.body,
            headers=headers,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
            retries=adapter.max_retries,
            timeout=timeout,
            chunked=not (prepared.body is None or "Content-Length" in headers),
        )
    except LocationValueError as error:
        raise requests.exceptions.InvalidURL(error) from error
    except (ProtocolError, OSError, ClosedPoolError) as error:
        raise requests.ConnectionError(error) from error
    except MaxRetryError as error:
        raise _retry_error(error) from error
    except SSLError as error:
        raise requests.exceptions.SSLError(error) from error
    except ReadTimeoutError as error:
        raise requests.ReadTimeout(error) from error
    except InvalidHeader as error:
        raise requests.exceptions.InvalidHeader(error) from error
    return Answer(response, url)


def _pool(adapter: SafeAdapter, url: str, authorities: str) -> Any:
    """The guarded pool of the URL's origin, verifying with `authorities` (the path of their certificates)."""
    parts = urlsplit(url)
    scheme = parts.scheme
    verified = {"cert_reqs": "CERT_REQUIRED", "ca_certs": authorities} if scheme == "https" else {}
    return adapter.poolmanager.connection_from_host(
        parts.hostname, parts.port or _PORTS[scheme], scheme, pool_kwargs=verified
    )


def _path(path: str) -> str:
    """A path that no server takes for the host of another URL."""
    return f"/{path.lstrip('/')}" if path.startswith("//") else path


def _retry_error(error: MaxRetryError) -> requests.RequestException:
    reason = error.reason
    if isinstance(reason, ConnectTimeoutError) and not isinstance(reason, NewConnectionError):
        return requests.ConnectTimeout(error)
    if isinstance(reason, SSLError):
        return requests.exceptions.SSLError(error)
    return requests.ConnectionError(error)
