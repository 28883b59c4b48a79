"""aiosmtpd's own tests, run against our server class: a plugin for the pytest that runs them.

Their SMTP class is replaced by ours, told what they tell theirs; what their handlers would hear
comes from a next hop in their place. Texts of replies are the server's own to choose (RFC 5321
§4.2): only codes are compared. At the end a report says how each test went.
"""

import inspect
import ipaddress
import json
import os
import socket
import sys
import types
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest

FOLDER = Path(os.environ["AIOSMTPD_SDIST"])
sys.path.insert(0, str(FOLDER))


def _resource_filename(package: str, name: str) -> str:
    return str(FOLDER.joinpath(*package.split("."), name))


# Setuptools' way to find a file, which setuptools itself no longer has.
sys.modules["pkg_resources"] = types.ModuleType("pkg_resources")
sys.modules["pkg_resources"].resource_filename = _resource_filename  # type: ignore[attr-defined]

import aiosmtpd.smtp as stock  # noqa: E402
from aiosmtpd.testing.statuscodes import StatusCode  # noqa: E402

from mailguard.mail.envelope import Origin, Session, Transaction  # noqa: E402
from mailguard.mail.raw import Raw  # noqa: E402
from mailguard.mail.reply import Replies, Reply  # noqa: E402
from mailguard.ports import Delivery  # noqa: E402
from mailguard.scan.school import School  # noqa: E402
from mailguard.smtp.connection import RelayProtocol  # noqa: E402
from mailguard.smtp.gate import Gate  # noqa: E402
from mailguard.smtp.limits import BareNewline, Limits, ListenerSettings  # noqa: E402
from mailguard.smtp.listener import Listener  # noqa: E402
from mailguard.smtp.tls import ListenerTls  # noqa: E402
from mailguard.testing.fakes import FakeClock  # noqa: E402

KNOWN = frozenset(inspect.signature(stock.SMTP.__init__).parameters)
"""Options that their class takes."""

EVERYBODY = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
OK = Reply.of(250, "2.0.0 Ok")


class _Handled:
    """A delivery that ends at an aiosmtpd handler."""

    def __init__(self, server: "SMTP") -> None:
        self._server = server
        self._envelope = stock.Envelope()

    async def mail(self, argument: bytes) -> Reply:
        self._envelope.mail_from = _address(argument)
        return OK

    async def rcpt(self, argument: bytes) -> Reply:
        self._envelope.rcpt_tos.append(_address(argument))
        return OK

    async def data(self, head: bytes, raw: Raw) -> Replies:
        content = b"".join(raw.chunks())
        self._envelope.content = content.decode() if self._server.decodes else content
        return (await self._server.handle(self._envelope),)

    async def reset(self) -> None:
        """Nothing is kept."""

    async def close(self) -> None:
        """Nothing is open."""


def _address(argument: bytes) -> str:
    path = argument.decode("utf-8", "surrogateescape").split()[0]
    return path.removeprefix("<").removesuffix(">")


class _Hop:
    """The next hop whose deliveries end at the handler."""

    def __init__(self, server: "SMTP", keywords: tuple[str, ...]) -> None:
        self._server = server
        self.keywords = keywords

    async def open(self, session: Session | None = None, ident: str = "") -> Delivery:
        return _Handled(self._server)


class _Shown(NamedTuple):
    """The certificate of their tests."""

    shown: Any

    def context(self) -> Any:
        return self.shown


async def _receive(transaction: Transaction, delivery: Delivery) -> Replies:
    return (await delivery.data(b"", transaction.raw))[:1]


async def _has_room() -> bool:
    return True


class SMTP(RelayProtocol):
    """Ours, made as theirs is made."""

    def __init__(self, handler: Any, **options: Any) -> None:
        if unknown := options.keys() - KNOWN:
            raise TypeError(f"no such option: {unknown}")
        self._stock_handler = handler
        self.decodes = bool(options.get("decode_data"))
        keywords = ("SMTPUTF8",) if options.get("enable_SMTPUTF8") else ()
        context = options.get("tls_context")
        settings = ListenerSettings(
            name="theirs",
            origin=Origin.ANY,
            hostname=options.get("hostname") or socket.getfqdn(),
            school=School(name="Theirs", domains=frozenset({"example.com"})),
            clients=EVERYBODY,
            tls=_tls(context, required=bool(options.get("require_starttls"))),
            certificate=_Shown(context) if context else None,  # type: ignore[arg-type]
            bare_newline=BareNewline.REFUSE,
            limits=Limits(
                message_bytes=options.get("data_size_limit", stock.DATA_SIZE_DEFAULT) or 1 << 40,
                idle_s=options.get("timeout", 300),
            ),
        )
        listener = Listener(
            settings=settings,
            receive=_receive,
            next_hop=_Hop(self, ("8BITMIME", "SIZE", *keywords)),
            clock=FakeClock(),
            has_room=_has_room,
            gate=Gate(settings, Counter()),
        )
        super().__init__(listener, set())

    async def handle(self, envelope: Any) -> Reply:
        """What the handler says to a message."""
        session = types.SimpleNamespace(ssl=None, peer=None)
        answer: str = await self._stock_handler.handle_DATA(self, session, envelope)
        return Reply.of(int(answer[:3]), answer[4:])


def _tls(context: Any, *, required: bool) -> ListenerTls:
    if context is None:
        return ListenerTls.NONE
    return ListenerTls.REQUIRE if required else ListenerTls.MAY


def _same_code(self: StatusCode, other: object) -> bool:
    return isinstance(other, tuple) and self.code == other[0]


StatusCode.__eq__ = _same_code  # type: ignore[method-assign]
StatusCode.__hash__ = lambda self: hash(self.code)  # type: ignore[method-assign]
sys.modules["aiosmtpd.smtp"].SMTP = SMTP  # type: ignore[attr-defined]

_LEFT_OUT = frozenset(os.environ["AIOSMTPD_LEFT_OUT"].split())
_went: dict[str, str] = {}


def pytest_configure(config: pytest.Config) -> None:
    """Their port is fixed; two runs on one machine would meet there."""
    from aiosmtpd.tests.conftest import Global, HostPort

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    HostPort.__new__.__defaults__ = ("127.0.0.1", port)
    Global.SrvAddr = HostPort()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without what is left out, which the report names all the same."""
    for item in items[:]:
        name = _name(item.nodeid)
        if not {name, name.rpartition("::")[0], name.partition("[")[0]}.isdisjoint(_LEFT_OUT):
            _went[name] = "left out"
            items.remove(item)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """The worst of a test's three phases counts."""
    name = _name(report.nodeid)
    if report.when == "call" or not report.passed:
        _went[name] = "failed" if _went.get(name) == "failed" else report.outcome


def pytest_sessionfinish() -> None:
    """Say how each went."""
    Path(os.environ["AIOSMTPD_REPORT"]).write_text(json.dumps(_went, indent=1))


def _name(nodeid: str) -> str:
    return nodeid.rpartition("tests/")[2]
