"""Who the client is: the machine that connected, or the one that a machine we trust speaks for.

Nobody forges anything: what a peer says about another counts only after the caller has found the
peer on the list for that command, and the lists are asked anew once an address has changed.
"""

from collections.abc import Mapping

from mailguard.mail.address import printable
from mailguard.mail.envelope import Origin, Session
from mailguard.smtp.gate import Gate
from mailguard.smtp.limits import ListenerSettings


class Identity:
    """What is known of one connection's client, as its session goes on."""

    def __init__(self, settings: ListenerSettings, gate: Gate, *, peer: str, port: int) -> None:
        self._settings = settings
        self._gate = gate
        self.peer = peer
        """Address of the machine whose rights count; ``""`` when XCLIENT calls it unknown."""

        self._port = port
        self._connected = peer
        self._name = ""
        self._forwarded: Mapping[str, str] = {}
        self.helo = b""
        """As in the last HELO, EHLO or LHLO; empty before it."""

        self.esmtp = False
        self.tls = ""
        self.login = ""
        """Who has authenticated, here or with a machine that says so by XCLIENT."""

    @property
    def is_trusted(self) -> bool:
        """It may send to any domain."""
        return bool(self.login) or self._gate.trusts(self.peer)

    @property
    def is_welcome(self) -> bool:
        """It may be here at all."""
        return self._gate.welcomes(self.peer)

    @property
    def may_forward(self) -> bool:
        """XFORWARD is open to it."""
        return self._gate.may_forward(self.peer)

    @property
    def may_impersonate(self) -> bool:
        """XCLIENT is open to it."""
        return self._gate.may_impersonate(self.peer)

    @property
    def is_local(self) -> bool:
        """It is this machine itself, and nobody listens in."""
        return self._gate.is_loopback(self.peer)

    def came_through(self, proxy: str) -> None:
        """The connection is that of a load balancer, `proxy`, which named this client."""
        self._connected = proxy

    def greet(self, name: bytes, *, esmtp: bool) -> None:
        """It said HELO, EHLO or LHLO."""
        self.helo = name
        self.esmtp = esmtp
        self.forget()

    def forward(self, attributes: Mapping[str, str]) -> None:
        """XFORWARD: tells of the client of the next transaction, and changes no rights."""
        self._forwarded = {**self._forwarded, **attributes}

    def impersonate(self, attributes: Mapping[str, str]) -> None:
        """XCLIENT: from now on it is that client, in all respects, and has said nothing yet."""
        self.peer = attributes.get("ADDR", self.peer)
        self._port = int(attributes.get("PORT", self._port) or 0)
        self._name = attributes.get("NAME", self._name)
        self.login = attributes.get("LOGIN", self.login)
        self.restart()

    def restart(self) -> None:
        """The session begins anew, as after STARTTLS (RFC 3207 §4.2)."""
        self.helo = b""
        self.esmtp = False
        self.forget()

    def forget(self) -> None:
        """A transaction ended: what XFORWARD said was about that one."""
        self._forwarded = {}

    @property
    def client(self) -> str:
        """Address of the client that the next transaction comes from."""
        return self._forwarded.get("ADDR", self.peer)

    def session(self) -> Session:
        """All of it, for the transaction that begins or ends now."""
        told = self._forwarded
        peer = told.get("ADDR", self.peer)
        protocol = told.get("PROTO")
        return Session(
            listener=self._settings.name,
            origin=Origin.INSIDE if self.login else self._settings.origin,
            peer=peer,
            peer_port=int(told["PORT"] or 0) if "PORT" in told else self._port,
            helo=told["HELO"] if "HELO" in told else printable(self.helo),
            esmtp=self.esmtp if protocol is None else protocol.upper().startswith("E"),
            name=told.get("NAME", self._name),
            via=self._connected if told or self._connected != self.peer else "",
            ident=told.get("IDENT", ""),
            source=told.get("SOURCE", ""),
            tls="" if told else self.tls,
            auth=self.login,
            protocol="lmtp" if self._settings.is_lmtp else "smtp",
        )
