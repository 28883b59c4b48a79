"""The commands of one session: what each means to us, and what we say.

Invariants:

1. The argument of MAIL and RCPT goes to the next hop as it came, and its reply comes back.
2. A message is handed to `receive` exactly once, in a task that no connection can cancel.
3. Until then every end of the transaction lets go of its delivery, with nothing sent.
4. Every fault of ours, and of the next hop's connection, is 451; a 5xx is the client's fault, the
   next hop's word or policy's.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping

from mailguard import events
from mailguard.errors import NextHopUnavailable
from mailguard.intake.body import IN_MEMORY
from mailguard.intake.queue_id import make_queue_id
from mailguard.mail.address import parameter, parse_path
from mailguard.mail.canary import DOMAIN as CANARY_DOMAIN
from mailguard.mail.envelope import Origin, Path, QueueId
from mailguard.mail.headers import is_looping
from mailguard.mail.raw import Raw
from mailguard.mail.reply import LOCAL_ERROR, NEXT_HOP_DOWN, SYSTEM_FULL, Replies, Reply
from mailguard.smtp import replies
from mailguard.smtp.extension import announced, lacks_smtputf8, refuse
from mailguard.smtp.gate import is_for_school
from mailguard.smtp.identity import Identity
from mailguard.smtp.listener import Listener
from mailguard.smtp.opened import Opened
from mailguard.smtp.reader import read_data
from mailguard.smtp.standing import Standing
from mailguard.smtp.unread import Unread
from mailguard.smtp.wire import ClientGone, Wire

_OTHER_PROTOCOLS = frozenset({b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"CONNECT"})
"""What a browser would say that a web page has sent here: Postfix's `smtpd_forbidden_commands`."""

_HEAD = 1 << 18
"""Bytes looked through for `Received:` lines: each hop puts its own on top."""


_FAR_TOO_MANY = 10
"""Times the limit of recipients: who goes on after so many, refused or not, is none of a mail
server's clients."""

_Change = Callable[[Standing, bytes], Awaitable[Reply]]


class Conversation:
    """Answers command lines, one at a time."""

    def __init__(self, listener: Listener, wire: Wire, who: Identity) -> None:
        self._listener = listener
        self._settings = listener.settings
        self._limits = listener.settings.limits
        self._wire = wire
        self._who = who
        self._open: Opened | None = None
        self._queue_id = QueueId("")
        self._errors = 0
        self._idle_commands = 0
        self._promises_smtputf8 = False
        """Its last EHLO was told so."""

        self.is_over = False
        """The connection is to be closed once the last reply is written."""

        self._standing = Standing(listener, wire, who)
        self._unread = Unread(listener, wire)

    @property
    def standing(self) -> Standing:
        """Who the client is, and the TLS that begins once the last reply is written."""
        return self._standing

    @property
    def is_idle(self) -> bool:
        """No transaction is under way."""
        return self._open is None

    async def answer(self, line: bytes) -> Reply:
        """Obey one command line, its line end included, and return the reply to it.

        Raises ClientGone when the client leaves during DATA, nothing else: a fault is answered 451.
        """
        if self._open is None:
            self._queue_id = QueueId("")
        self._unread.go_on()
        try:
            reply = await self._obey(line)
        except ClientGone:
            raise
        except NextHopUnavailable as error:
            events.failed(self._queue_id, error)
            reply = self._ours(NEXT_HOP_DOWN)
        except Exception as error:
            events.failed(self._queue_id, error)
            reply = self._ours(LOCAL_ERROR)
            # Must: after a fault amid data, the rest of the message is not taken for commands.
            self.is_over = self._open is not None and self._open.in_data
            self._abandon()
        if reply.code >= 400:
            events.refused_command(self._queue_id, self._who.client, reply)
        return reply

    def fault(self, reply: Reply) -> Reply:
        """Count an error of the client's and return the reply; the last one allowed gets 421."""
        self._errors += 1
        if self._errors < self._limits.errors:
            return self._ours(reply)
        return self._hang_up(replies.TOO_MANY_ERRORS)

    def hear_end(self) -> None:
        """The client has closed its half."""
        if self._wire.is_spent:
            self._unread.end()

    def end(self) -> None:
        """The connection is closing: let go of what is under way."""
        if self._open is not None:
            events.lost_client(self._queue_id, "data" if self._open.in_data else "envelope")
            self._abandon()
        self._unread.end()
        self._standing.close()

    async def _obey(self, line: bytes) -> Reply:
        if not line.endswith(b"\r\n"):
            return self._hang_up(replies.BAD_LINE_END)
        verb, _, argument = line[:-2].partition(b" ")
        verb = verb.upper()
        if verb in _OTHER_PROTOCOLS:
            return self._hang_up(replies.NOT_SMTP)
        command = _COMMANDS.get(verb)
        if command is None:
            return self.fault(replies.UNKNOWN_COMMAND)
        if verb not in _GETTING_ON:
            self._idle_commands += 1
            if self._idle_commands > self._limits.idle_commands:
                return self._hang_up(replies.TOO_MANY_COMMANDS)
        return await command(self, argument)

    async def _change(self, act: _Change, argument: bytes) -> Reply:
        """Obey a command about who the client is."""
        if self._open is not None:
            return self.fault(replies.MAIL_UNDER_WAY)
        reply = await act(self._standing, argument)
        self.is_over = self._standing.is_over
        return self.fault(reply) if reply.is_permanent and not self.is_over else reply

    async def _helo(self, argument: bytes) -> Reply:
        if self._settings.is_lmtp:
            return self.fault(replies.NOT_LMTP)
        return self._greet(argument, (), esmtp=False)

    async def _ehlo(self, argument: bytes) -> Reply:
        if self._settings.is_lmtp:
            return self.fault(replies.NOT_LMTP)
        return await self._extend(argument)

    async def _lhlo(self, argument: bytes) -> Reply:
        if not self._settings.is_lmtp:
            return self.fault(replies.UNKNOWN_COMMAND)
        return await self._extend(argument)

    async def _extend(self, argument: bytes) -> Reply:
        await self._standing.prepare()
        keywords = announced(
            self._standing.hop.keywords, self._limits.message_bytes, is_lmtp=self._settings.is_lmtp
        )
        self._promises_smtputf8 = "SMTPUTF8" in keywords
        return self._greet(argument, (*keywords, *self._standing.keywords()), esmtp=True)

    def _greet(self, argument: bytes, keywords: tuple[str, ...], *, esmtp: bool) -> Reply:
        name = argument.strip()
        if not name:
            return self.fault(replies.BAD_ARGUMENT)
        self._abandon()
        self._who.greet(name, esmtp=esmtp)
        return Reply(code=250, lines=(self._settings.hostname, *keywords))

    async def _mail(self, argument: bytes) -> Reply:
        if not self._who.helo:
            return self.fault(self._hello_first)
        if self._open is not None:
            return self.fault(replies.NESTED_MAIL)
        argument = _after(b"FROM:", argument)
        parsed = parse_path(argument)
        sender = parsed.path.address if parsed is not None else ""
        is_claimed = sender.endswith(CANARY_DOMAIN)
        test = await self._listener.admit(sender) if is_claimed else None
        not_yet = self._standing.refuse_mail()
        # A self-test has no password to log in with; its sender proves as much.
        if not_yet is not None and test is None:
            return self.fault(not_yet)
        if parsed is None:
            return self.fault(replies.BAD_SENDER)
        refusal = refuse(parsed.parameters, self._limits.message_bytes)
        if refusal is not None:
            return self.fault(refusal)
        self._queue_id = make_queue_id(self._listener.clock.now())
        session = self._who.session()
        delivery = test or await self._standing.hop.open(session, self._queue_id)
        # Must: only now. A next hop that was down when we started has not yet said what it can.
        if lacks_smtputf8(parsed.parameters, self._standing.hop.keywords):
            self._listener.start(delivery.close())
            return self._lack_smtputf8()
        announced = int(parameter(parsed.parameters, b"SIZE") or 0)
        self._open = Opened(
            delivery=delivery,
            session=session,
            sender=parsed.path,
            announced=announced,
            ends_here=test is not None,
        )
        accepted = False
        try:
            reply = await delivery.mail(argument)
            accepted = reply.is_positive
        finally:
            if not accepted:
                self._abandon()
        return reply

    def _lack_smtputf8(self) -> Reply:
        if self._promises_smtputf8:
            return self._ours(replies.SMTPUTF8_GONE)
        return self.fault(replies.NO_SMTPUTF8)

    async def _rcpt(self, argument: bytes) -> Reply:
        mail = self._open
        if mail is None:
            return self.fault(self._out_of_turn)
        mail.asked += 1
        if mail.asked > _FAR_TOO_MANY * self._limits.recipients:
            return self._hang_up(replies.TOO_MANY_COMMANDS)
        argument = _after(b"TO:", argument)
        parsed = parse_path(argument)
        if parsed is None or not parsed.path.address:
            return self.fault(replies.BAD_RECIPIENT)
        if mail.is_answer or self._listener.takes(parsed.path.address):
            return self._take_answer(mail, parsed.path)
        may_leave = self._who.is_trusted or mail.ends_here
        if not may_leave and not is_for_school(parsed, self._settings.school):
            return self.fault(replies.RELAYING_DENIED)
        if mail.asked > self._limits.recipients:
            return self._ours(replies.TOO_MANY_RECIPIENTS)
        reply = await mail.delivery.rcpt(argument)
        if reply.is_positive:
            mail.recipients.append(parsed.path)
        return reply

    def _take_answer(self, mail: Opened, path: Path) -> Reply:
        """Take the recipient of an answer without asking the next hop, which does not know it."""
        if mail.session.origin is not Origin.INSIDE:
            return self.fault(replies.ONLY_FROM_INSIDE)
        if mail.recipients:
            return self._ours(replies.ANSWER_ALONE)
        mail.is_answer = True
        mail.recipients.append(path)
        return replies.RECIPIENT_OK

    async def _data(self, argument: bytes) -> Reply:
        mail = self._open
        if mail is None:
            return self.fault(self._out_of_turn)
        if argument.strip():
            return self.fault(replies.BAD_ARGUMENT)
        if not mail.recipients:
            return self.fault(self._no_recipients(mail))
        if mail.announced > IN_MEMORY and not await self._listener.has_room():
            # A small message needs no disk here: what must be kept is refused by who keeps it, and
            # the rest, a child's call for help among it, goes on.
            return self._ours(SYSTEM_FULL)
        mail.in_data = True
        raw = await self._read_data()
        self._who.forget()
        if isinstance(raw, Raw) and self._is_looping(raw):
            raw = replies.TOO_MANY_HOPS
        if isinstance(raw, Reply):
            self._abandon()
            return self._say(mail.same(self._ours(raw)))
        self._open = None
        self._idle_commands = self._errors = 0
        answers: asyncio.Future[Replies] = asyncio.get_running_loop().create_future()
        work = mail.finish(self._listener, self._queue_id, raw, answers, self._unread)
        self._listener.start(work)
        try:
            # Must: only this waiting can be cancelled, not the work.
            return self._say(await answers)
        except asyncio.CancelledError:
            events.lost_client(self._queue_id, "reply")
            raise

    def _is_looping(self, raw: Raw) -> bool:
        return is_looping(raw.head(_HEAD), self._settings.hostname, self._limits.hops)

    async def _read_data(self) -> Raw | Reply:
        self._wire.send(replies.GO_AHEAD)
        self._wire.finish_within(self._limits.data_s)
        try:
            return await read_data(
                self._wire,
                limit=self._limits.message_bytes,
                bare_newline=self._settings.bare_newline,
                folder=self._settings.temporary,
            )
        finally:
            self._wire.finish_within(math.inf)

    def _say(self, answers: Replies) -> Reply:
        """Send all but the last of the replies to one message, and return that."""
        *others, last = answers
        for reply in others:
            self._wire.send(reply)
            if reply.code >= 400:
                events.refused_command(self._queue_id, self._who.client, reply)
        return last

    async def _rset(self, argument: bytes) -> Reply:
        self._abandon()
        self._who.forget()
        return replies.OK

    async def _noop(self, argument: bytes) -> Reply:
        return replies.OK

    async def _vrfy(self, argument: bytes) -> Reply:
        return replies.CANNOT_VERIFY

    async def _help(self, argument: bytes) -> Reply:
        return replies.HELP_LMTP if self._settings.is_lmtp else replies.HELP

    async def _quit(self, argument: bytes) -> Reply:
        self._abandon()
        return self._hang_up(replies.BYE)

    def _abandon(self) -> None:
        """Let go of the delivery, which may take a round trip that nobody need wait for."""
        if self._open is not None:
            self._listener.start(self._open.delivery.close())
            self._open = None

    def _hang_up(self, reply: Reply) -> Reply:
        self.is_over = True
        return reply

    def _no_recipients(self, mail: Opened) -> Reply:
        if not mail.asked:
            return replies.RCPT_FIRST
        return replies.NO_LMTP_RECIPIENTS if self._settings.is_lmtp else replies.NO_RECIPIENTS

    @property
    def _out_of_turn(self) -> Reply:
        return replies.MAIL_FIRST if self._who.helo else self._hello_first

    @property
    def _hello_first(self) -> Reply:
        return replies.LHLO_FIRST if self._settings.is_lmtp else replies.HELO_FIRST

    def _ours(self, reply: Reply) -> Reply:
        return reply.naming(self._queue_id) if self._queue_id else reply


_COMMANDS: Mapping[bytes, Callable[[Conversation, bytes], Awaitable[Reply]]] = {
    b"HELO": Conversation._helo,
    b"EHLO": Conversation._ehlo,
    b"LHLO": Conversation._lhlo,
    b"MAIL": Conversation._mail,
    b"RCPT": Conversation._rcpt,
    b"DATA": Conversation._data,
    b"RSET": Conversation._rset,
    b"STARTTLS": lambda self, argument: self._change(Standing.starttls, argument),
    b"AUTH": lambda self, argument: self._change(Standing.auth, argument),
    b"XFORWARD": lambda self, argument: self._change(Standing.xforward, argument),
    b"XCLIENT": lambda self, argument: self._change(Standing.xclient, argument),
    b"NOOP": Conversation._noop,
    b"VRFY": Conversation._vrfy,
    b"HELP": Conversation._help,
    b"QUIT": Conversation._quit,
}

_GETTING_ON = frozenset({b"RCPT", b"DATA", b"QUIT", b"XFORWARD"})
"""Commands that do not count as idle: each has a limit of its own, or ends something, or only the
trusted may say it."""


def _after(keyword: bytes, argument: bytes) -> bytes:
    """What follows `keyword` (any case), untouched; nothing, which is no path, without it."""
    argument = argument.lstrip(b" ")
    length = len(keyword)
    return argument[length:] if argument[:length].upper() == keyword else b""
