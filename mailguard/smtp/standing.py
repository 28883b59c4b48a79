"""The commands by which a client changes who it is to us: XFORWARD, XCLIENT, STARTTLS and AUTH.

None of them is obeyed amid a transaction. Each reply of 5xx is an error of the client's.
"""

from collections.abc import Iterable, Iterator, Mapping

from mailguard import events
from mailguard.errors import NextHopUnavailable
from mailguard.mail.reply import Reply
from mailguard.ports import NextHop
from mailguard.smtp import replies
from mailguard.smtp.attributes import XCLIENT, XFORWARD, read_attributes
from mailguard.smtp.auth import LINE_LENGTH, STEPS, Dialogue, Login
from mailguard.smtp.identity import Identity
from mailguard.smtp.listener import Listener
from mailguard.smtp.tls import ListenerTls, TlsFailed
from mailguard.smtp.wire import ClientGone, LineTooLong, Wire


class Standing:
    """What one client may do, and by what connection its mail goes on."""

    def __init__(self, listener: Listener, wire: Wire, who: Identity) -> None:
        self._listener = listener
        self._settings = listener.settings
        self._wire = wire
        self._who = who
        self._dialogue: Dialogue | None = None
        self.is_over = False
        """The connection is to be closed once the last reply is written."""

        self.is_switching = False
        """TLS is to begin once the last reply is written."""

    @property
    def hop(self) -> NextHop:
        """The next hop for this client's mail: once it has logged in, by that connection only."""
        if self._dialogue is not None and self._who.login:
            return self._dialogue.hop
        return self._listener.next_hop

    async def prepare(self) -> None:
        """Learn what the next hop takes logins by, where that is not known yet: until it is, nobody
        can log in, and without a login there is no mail that would ask."""
        if self._listener.logins is None or self._mechanisms or not self._takes_passwords:
            return
        try:
            self._dialogue = self._dialogue or await self._listener.logins.dial()
        except NextHopUnavailable as error:
            events.failed("", error)
        if not self._mechanisms:
            self.close()

    def keywords(self) -> Iterator[str]:
        """What EHLO announces to this client, and now."""
        if self._offers_tls:
            yield "STARTTLS"
        if self._takes_passwords and not self._who.login and self._mechanisms:
            yield " ".join(("AUTH", *self._mechanisms))
        if self._who.may_forward:
            yield " ".join(("XFORWARD", *XFORWARD))
        if self._who.may_impersonate:
            yield " ".join(("XCLIENT", *XCLIENT))

    def refuse_mail(self) -> Reply | None:
        """Why it may not say MAIL yet."""
        if self._settings.tls is ListenerTls.REQUIRE and not self._who.tls:
            return replies.TLS_FIRST
        if self._settings.passes_auth and not self._who.is_trusted:
            return replies.LOGIN_FIRST
        return None

    async def xforward(self, argument: bytes) -> Reply:
        """Learn of the client whose message the peer passes on next."""
        attributes = _told(argument, XFORWARD, may=self._who.may_forward)
        if isinstance(attributes, Reply):
            return attributes
        self._who.forward(attributes)
        return replies.OK

    async def xclient(self, argument: bytes) -> Reply:
        """Take the peer for another client, and begin anew with that one."""
        attributes = _told(argument, XCLIENT, may=self._who.may_impersonate)
        if isinstance(attributes, Reply):
            return attributes
        self.close()
        self._who.impersonate(attributes)
        if not self._who.is_welcome:
            self.is_over = True
            return replies.NOT_A_CLIENT
        return replies.greeting(self._settings.hostname, is_lmtp=self._settings.is_lmtp)

    async def starttls(self, argument: bytes) -> Reply:
        """Agree to TLS, which :meth:`switch` begins."""
        if self._who.tls:
            return replies.TLS_ACTIVE
        if not self._offers_tls:
            return replies.UNKNOWN_COMMAND
        if argument.strip():
            return replies.BAD_ARGUMENT
        if self._wire.has_input:
            # Must: else it would count as if it had come inside TLS.
            self.is_over = True
            return replies.INJECTED
        self.is_switching = True
        return replies.TLS_READY

    async def switch(self) -> None:
        """Go over to TLS and forget all that was said before (RFC 3207 §4.2). Raises ClientGone."""
        self.is_switching = False
        await self.encrypt()
        self.close()
        self._who.login = ""
        self._who.restart()

    async def encrypt(self) -> None:
        """Shake hands. Raises ClientGone."""
        assert self._settings.certificate is not None
        try:
            self._who.tls = await self._wire.start_tls(self._settings.certificate.context())
        except TlsFailed as error:
            events.tls_failed(self._who.client, self._settings.name, str(error))
            raise ClientGone from error

    async def auth(self, argument: bytes) -> Reply:
        """Let the client log in at the next hop. Raises NextHopUnavailable and ClientGone."""
        if not self._settings.passes_auth or not self._mechanisms:
            return replies.UNKNOWN_COMMAND
        if not self._who.helo:
            return replies.LHLO_FIRST if self._settings.is_lmtp else replies.HELO_FIRST
        if self._who.login:
            return replies.LOGGED_IN
        if not self._takes_passwords:
            return replies.TLS_FIRST
        login = Login.read(argument)
        if login is None:
            return replies.BAD_ARGUMENT
        if login.mechanism not in self._mechanisms:
            return replies.NO_SUCH_MECHANISM
        reply = await self._log_in(login, argument)
        if reply.is_positive:
            self._who.login = login.name
        elif not (reply.is_permanent or reply.is_temporary):
            # A further challenge from the next hop, or what makes no sense.
            self.close()
            return replies.BAD_RESPONSE
        return reply

    def close(self) -> None:
        """Let go of the connection on which the client has logged in; nobody else gets it."""
        if self._dialogue is not None:
            self._dialogue.close()
            self._dialogue = None

    async def _log_in(self, login: Login, argument: bytes) -> Reply:
        """Lead the dialogue; the last reply is the next hop's, or why it was broken off."""
        assert self._listener.logins is not None
        if self._dialogue is not None and not self._dialogue.is_alive:
            self.close()
        if self._dialogue is None:
            self._dialogue = await self._listener.logins.dial()
        reply = await self._dialogue.ask(b"AUTH " + argument)
        for _ in range(STEPS):
            if reply.code != 334:
                break
            self._wire.send(reply)
            try:
                line = await self._wire.line(LINE_LENGTH)
            except LineTooLong:
                self.close()
                return replies.LINE_TOO_LONG
            response = line.removesuffix(b"\r\n")
            if not line.endswith(b"\r\n") or not login.hear(response):
                self.close()
                return replies.BAD_RESPONSE
            reply = await self._dialogue.ask(response)
        return reply

    @property
    def _offers_tls(self) -> bool:
        return self._settings.tls in (ListenerTls.MAY, ListenerTls.REQUIRE) and not self._who.tls

    @property
    def _takes_passwords(self) -> bool:
        """Nobody can listen in between the client and us."""
        return bool(self._who.tls) or self._who.is_local

    @property
    def _mechanisms(self) -> tuple[str, ...]:
        return self._listener.logins.mechanisms if self._listener.logins is not None else ()


def _told(argument: bytes, known: Iterable[str], *, may: bool) -> Mapping[str, str] | Reply:
    return read_attributes(argument, known) if may else replies.NOT_AUTHORISED
