"""The kinds of value a key can have, each refused in words that say what would be right."""

import ipaddress
import re
from datetime import date
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BeforeValidator, Field

from mailguard.smtp.host import Host, Query


def _check_domain(value: str) -> str:
    domain = value.strip().lower().rstrip(".")
    try:
        validate_email(f"x@{domain}", check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise ValueError("write a domain, e.g. elmpark.example") from None
    return domain


def _check_person(value: str) -> str:
    try:
        return validate_email(value, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError:
        raise ValueError("write one address, e.g. head@elmpark.example") from None


def _check_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError("write a zone of the tz database, e.g. Europe/London") from None
    return value


def _check_network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        raise ValueError("write an address or network, e.g. 10.20.0.0/16") from None


_HOST_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:/\s]+):([0-9]{1,5})")


def split_address(value: str) -> tuple[str, int]:
    """Split ``host:port`` or ``[v6]:port``. Raises ValueError with what would be right."""
    match = _HOST_PORT.fullmatch(value)
    if match is None or int(match[2]) > 65535:
        raise ValueError("write host:port, e.g. 127.0.0.1:10025 or [::1]:10025")
    return match[1].strip("[]"), int(match[2])


def _check_address(value: str) -> str:
    split_address(value)
    return value


def socket_path(value: str) -> str:
    """The path in ``unix:/path``; empty for any other address."""
    scheme, _, path = value.partition(":")
    return path if scheme == "unix" else ""


LONGEST_SOCKET_PATH = 107
"""Bytes that fit into Linux's sockaddr_un (unix(7)), but for the NUL at their end."""


def _is_socket_path(path: str) -> bool:
    is_file = path.startswith("/") and not path.endswith("/")
    return is_file and "\0" not in path and len(path.encode()) <= LONGEST_SOCKET_PATH


def _check_listener_address(value: str) -> str:
    if not value.startswith("unix:"):
        return _check_address(value)
    if not _is_socket_path(socket_path(value)):
        raise ValueError(
            "write unix: and an absolute path of at most 107 bytes, e.g. unix:/run/mailguard/milter"
        )
    return value


NEXT_HOP_FORMS = (
    "smtp://host:port, e.g. smtp://127.0.0.1:10026, or smtps://, lmtp://, smtp+unix:/path, "
    "lmtp+unix:/path, smtp+mx://domain or smtp+srv://_smtp._tcp.domain"
)

_SERVICE = re.compile(r"(_[a-z0-9-]{1,63}\._tcp)\.(.+)", re.IGNORECASE)


def read_next_hop(url: str) -> Host | Query:
    """One host, or what names the hosts. Raises ValueError with what would be right."""
    scheme, _, rest = url.partition(":")
    if scheme in {"smtp+unix", "lmtp+unix"}:
        if not _is_socket_path(rest):
            raise ValueError(
                f"write {scheme}: and an absolute path of at most 107 bytes, "
                f"e.g. {scheme}:/run/mail/{scheme[:4]}"
            )
        return Host(path=rest, is_lmtp=scheme == "lmtp+unix")
    if not rest.startswith("//"):
        raise ValueError(f"write {NEXT_HOP_FORMS}")
    place = rest.removeprefix("//")
    match scheme:
        case "smtp" | "smtps" | "lmtp":
            try:
                name, port = split_address(place)
            except ValueError:
                raise ValueError(
                    f"write {scheme}://host:port, "
                    f"e.g. {scheme}://127.0.0.1:10026 or {scheme}://[::1]:10026"
                ) from None
            if scheme == "lmtp" and port == 25:
                # RFC 2033 §5: who connects there expects SMTP, and one reply to a message.
                raise ValueError(
                    "LMTP is never spoken on port 25; write smtp:// for that port, "
                    "or the port of its LMTP service, e.g. lmtp://127.0.0.1:24"
                )
            is_wrapped = scheme == "smtps"
            return Host(name=name, port=port, is_lmtp=scheme == "lmtp", is_wrapped=is_wrapped)
        case "smtp+mx":
            domain, _, number = place.partition(":")
            if not re.fullmatch(r"[1-9][0-9]{0,4}", number or "25") or int(number or 25) > 65535:
                raise ValueError("write smtp+mx://domain or smtp+mx://domain:port")
            return Query(name=_check_domain(domain), port=int(number or 25))
        case "smtp+srv":
            service = _SERVICE.fullmatch(place)
            if service is None:
                raise ValueError(
                    "write the service, _tcp and the domain, without a port, "
                    "e.g. smtp+srv://_smtp._tcp.elmpark.example"
                )
            return Query(name=f"{service[1].lower()}.{_check_domain(service[2])}")
    raise ValueError(f"write {NEXT_HOP_FORMS}")


def _check_next_hop(value: str) -> str:
    read_next_hop(value)
    return value


def _as_list(value: object) -> object:
    """One next hop is a list of one. It is checked here, so that a mistake in it is reported where
    it stands."""
    if not isinstance(value, str):
        return value
    return (_check_next_hop(value),) if value else ()


def _check_next_hops(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(value)) < len(value):
        raise ValueError("one stands there twice; write each once")
    return value


def _check_some_next_hop(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise ValueError(f"write {NEXT_HOP_FORMS}")
    return value


def _check_database(value: str) -> str:
    if not value.startswith("sqlite:////") or value == "sqlite:////":
        raise ValueError(
            "write sqlite:// and an absolute path, e.g. sqlite:////var/lib/mailguard/mailguard.db"
            " (other databases are not supported yet)"
        )
    return value


def _check_time(value: str) -> str:
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", value):
        raise ValueError("write a time of day as HH:MM, e.g. 07:30")
    return value


def split_period(value: str) -> tuple[date, date]:
    """The first and the last day of ``YYYY-MM-DD`` or ``YYYY-MM-DD/YYYY-MM-DD``.

    Raises ValueError with what would be right.
    """
    first, _, last = value.partition("/")
    try:
        days = date.fromisoformat(first), date.fromisoformat(last or first)
    except ValueError:
        raise ValueError("write a day or a period, e.g. 2026-12-21/2027-01-01") from None
    if days[0] > days[1]:
        raise ValueError("it ends before it begins; write the first day first")
    return days


def _check_period(value: str) -> str:
    split_period(value)
    return value


LocalTime = Annotated[str, AfterValidator(_check_time)]
# TOML has dates of its own: 2026-12-25 without quotes is one.
Period = Annotated[str, BeforeValidator(str), AfterValidator(_check_period)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Domain = Annotated[str, AfterValidator(_check_domain)]
PersonAddress = Annotated[str, AfterValidator(_check_person)]
Zone = Annotated[str, AfterValidator(_check_zone)]
Network = Annotated[str, AfterValidator(_check_network)]
Address = Annotated[str, AfterValidator(_check_address)]
ListenerAddress = Annotated[str, AfterValidator(_check_listener_address)]
NextHopUrl = Annotated[str, AfterValidator(_check_next_hop)]
NextHopUrlsOrNone = Annotated[
    tuple[NextHopUrl, ...], BeforeValidator(_as_list), AfterValidator(_check_next_hops)
]
NextHopUrls = Annotated[NextHopUrlsOrNone, AfterValidator(_check_some_next_hop)]
PersonAddressOrNone = Annotated[str, AfterValidator(lambda v: v and _check_person(v))]
AddressOrNone = Annotated[str, AfterValidator(lambda v: v and _check_address(v))]
DatabaseUrl = Annotated[str, AfterValidator(_check_database)]
Pattern = Annotated[str, Field(min_length=1, pattern=r"^[^\s@]*@?[^\s@]+$")]
Days = Annotated[int, Field(ge=0, le=36500)]
