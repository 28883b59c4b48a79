"""One session with a mail server: what each packet means, and what we say to it. No I/O.

Invariants:

1. A message comes out of :attr:`Dialogue.complete` once, with every recipient that was named.
2. A packet that fits nowhere raises BadPacket; the connection is then closed, and the mail server
   does what it does without us (`milter_default_action`, tempfail by default).
3. Nothing of one message is left for the next but the connection, its HELO and its TLS.
"""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mailguard.intake.queue_id import make_queue_id
from mailguard.mail.address import printable
from mailguard.mail.envelope import Envelope, Origin, QueueId, Session, Transaction
from mailguard.mail.raw import Raw
from mailguard.mail.reply import Reply
from mailguard.milter import codec
from mailguard.milter.codec import Action, Connect, Option
from mailguard.milter.frame import BadPacket
from mailguard.milter.letter import Letter, path_of
from mailguard.milter.settings import MilterSettings
from mailguard.ports import Clock

NEEDED = Action.DELETE_RECIPIENT
"""Without it a message could not be held for some and passed on for others."""

NEEDED_FOR_KEYS = Action.CHANGE_HEADERS
"""Without it the key of a released message would stay in the recipient's copy."""

WANTED = (
    Option.LEADING_SPACE
    | Option.NO_UNKNOWN
    | Option.NO_DATA
    | Option.NR_CONNECT
    | Option.NR_HELO
    | Option.NR_MAIL
    | Option.NR_RCPT
    | Option.NR_HEADER
    | Option.NR_END_OF_HEADERS
    | Option.NR_BODY
)
"""We say nothing before the end of a message, so nobody need wait for it."""

MACROS = {1: b"{tls_version} {cipher}", 2: b"i {auth_authen}", 5: b"i"}
"""What we read, for HELO, MAIL and the end of a message. A mail server that lets us choose sends
these whatever its own lists (`milter_mail_macros`…) say."""

_READ = frozenset({b"tls_version", b"cipher", b"i", b"auth_authen"})

_TEXT = 1000
"""Bytes kept of a name or a macro's value: nothing honest is longer, and each is kept for as long
as its client is connected."""

_OF_CONNECTION = (b"H", b"C")
_OF_MESSAGE = (b"E", b"B", b"N", b"L", b"T", b"R", b"M")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A message beyond a limit: what to say, and what to write down."""

    queue_id: QueueId
    peer: str
    reply: Reply


class Dialogue:
    """Takes one packet after the other."""

    def __init__(self, settings: MilterSettings, clock: Clock, *, via: str) -> None:
        """`via` is the mail server's address, empty for a Unix socket."""
        self._settings = settings
        self._clock = clock
        self._via = via
        self._options: int | None = None
        self._client: Connect | None = None
        self._helo = b""
        self._macros: dict[bytes, dict[bytes, bytes]] = {}
        self._letter: Letter | None = None
        self._esmtp = False
        self.complete: Transaction | Refused | None = None
        """Set at the end of a message, for the caller to take and answer."""

        self.named: Mapping[bytes, bytes] = {}
        """For each RCPT argument of that message, the path alone, as the mail server knows it."""

        self.is_over = False
        """The mail server has said goodbye."""

    @property
    def is_idle(self) -> bool:
        """No message is under way."""
        return self._letter is None

    def take(self, command: bytes, data: bytes) -> bytes:
        """Obey one packet; return what to write now, which may be nothing. Raises BadPacket."""
        handle = _COMMANDS.get(command)
        if handle is None or (self._options is None) != (command == b"O"):
            raise BadPacket("command")
        return handle(self, data)

    def drop(self) -> None:
        """Let go of the message under way."""
        if self._letter is not None:
            self._letter.discard()
            self._letter = None
        for stage in _OF_MESSAGE:
            self._macros.pop(stage, None)

    def _negotiate(self, data: bytes) -> bytes:
        theirs = codec.read_offer(data)
        needed = NEEDED | (NEEDED_FOR_KEYS if self._settings.removes_keys else Action(0))
        if theirs.version < codec.OLDEST or needed & ~theirs.actions:
            raise BadPacket("offer")
        self._options = theirs.options & WANTED
        chosen = theirs.actions & Action.CHOOSE_MACROS
        return codec.offer(
            min(theirs.version, codec.VERSION),
            needed | chosen,
            self._options,
            MACROS if chosen else {},
        )

    def _learn_macros(self, data: bytes) -> bytes:
        stage, values = codec.read_macros(data)
        if stage in _OF_CONNECTION or stage in _OF_MESSAGE:
            self._macros[stage] = {name: values[name][:_TEXT] for name in _READ & values.keys()}
        return b""

    def _connect(self, data: bytes) -> bytes:
        if self._client is not None:
            raise BadPacket("connect")
        self._client = codec.read_connect(data)
        return self._nod(Option.NR_CONNECT)

    def _hear_helo(self, data: bytes) -> bytes:
        self._known_client()
        self._helo = codec.read_strings(data)[0][:_TEXT]
        return self._nod(Option.NR_HELO)

    def _mail(self, data: bytes) -> bytes:
        self._known_client()
        strings = codec.read_strings(data)
        if self._letter is not None:
            # Some mail servers say no ABORT before the next MAIL.
            self._letter.discard()
        for stage in _OF_MESSAGE[:-1]:
            self._macros.pop(stage, None)
        self._esmtp = len(strings) > 1
        self._letter = Letter(
            path_of(strings),
            message_bytes=self._settings.message_bytes,
            recipients=self._settings.recipients,
            folder=self._settings.temporary,
        )
        return self._nod(Option.NR_MAIL)

    def _rcpt(self, data: bytes) -> bytes:
        strings = codec.read_strings(data)
        self._open_letter().address(path_of(strings), strings[0])
        return self._nod(Option.NR_RCPT)

    def _data(self, data: bytes) -> bytes:
        return self._nod(Option.NR_DATA)

    def _unknown(self, data: bytes) -> bytes:
        return self._nod(Option.NR_UNKNOWN)

    def _header(self, data: bytes) -> bytes:
        name, value = codec.read_header(data)
        has_space = self._has(Option.LEADING_SPACE)
        self._open_letter().add_header(name, value, has_space=has_space)
        return self._nod(Option.NR_HEADER)

    def _end_of_headers(self, data: bytes) -> bytes:
        self._open_letter().end_head()
        return self._nod(Option.NR_END_OF_HEADERS)

    def _body(self, data: bytes) -> bytes:
        self._open_letter().add_body(data)
        return self._nod(Option.NR_BODY)

    def _end(self, data: bytes) -> bytes:
        letter = self._open_letter()
        if not letter.recipients:
            raise BadPacket("no recipients")
        if data:
            letter.add_body(data)
        self.complete = self._completed(letter, letter.finish())
        self.named = letter.named
        self.drop()
        return b""

    def _abort(self, data: bytes) -> bytes:
        self.drop()
        return b""

    def _quit(self, data: bytes) -> bytes:
        self.drop()
        self.is_over = True
        return b""

    def _quit_for_another(self, data: bytes) -> bytes:
        """SMFIC_QUIT_NC: the next client comes over the same connection."""
        self.drop()
        self._macros.clear()
        self._client, self._helo = None, b""
        return b""

    def _completed(self, letter: Letter, found: Raw | Reply) -> Transaction | Refused:
        now = self._clock.now()
        queue_id = make_queue_id(now)
        session = self._session()
        if isinstance(found, Reply):
            return Refused(queue_id=queue_id, peer=session.peer, reply=found.naming(queue_id))
        return Transaction(
            queue_id=queue_id,
            session=session,
            envelope=Envelope(sender=letter.sender, recipients=tuple(letter.recipients)),
            raw=found,
            received=now,
        )

    def _session(self) -> Session:
        client = self._known_client()
        peer = _address(client)
        auth = self._macro(b"auth_authen")
        name = printable(client.name[:_TEXT])
        return Session(
            listener=self._settings.name,
            origin=self._origin(client, peer, is_known=bool(auth)),
            peer=peer,
            peer_port=client.port,
            helo=printable(self._helo),
            esmtp=self._esmtp,
            name="" if name.startswith("[") or name == "unknown" else name,
            via=self._via,
            ident=printable(self._macro(b"i")),
            tls=printable(self._macro(b"tls_version") + b" " + self._macro(b"cipher")).strip(),
            auth=printable(auth),
            protocol="milter",
        )

    def _origin(self, client: Connect, peer: str, *, is_known: bool) -> Origin:
        if self._settings.origin is not Origin.ANY:
            return self._settings.origin
        is_ours = client.family == b"L" or (
            peer != "" and any(ipaddress.ip_address(peer) in net for net in self._settings.inside)
        )
        return Origin.INSIDE if is_known or is_ours else Origin.OUTSIDE

    def _macro(self, name: bytes) -> bytes:
        """What was said last about this name."""
        for stage in (*_OF_MESSAGE, *_OF_CONNECTION):
            if value := self._macros.get(stage, {}).get(name):
                return value
        return b""

    def _has(self, option: Option) -> bool:
        return bool((self._options or 0) & option)

    def _nod(self, silence: Option) -> bytes:
        """Go on; in silence where that was agreed."""
        return b"" if self._has(silence) else codec.CONTINUE

    def _known_client(self) -> Connect:
        if self._client is None:
            raise BadPacket("no client")
        return self._client

    def _open_letter(self) -> Letter:
        if self._letter is None:
            raise BadPacket("no message")
        return self._letter


_COMMANDS: Mapping[bytes, Callable[[Dialogue, bytes], bytes]] = {
    b"O": Dialogue._negotiate,
    b"D": Dialogue._learn_macros,
    b"C": Dialogue._connect,
    b"H": Dialogue._hear_helo,
    b"M": Dialogue._mail,
    b"R": Dialogue._rcpt,
    b"T": Dialogue._data,
    b"U": Dialogue._unknown,
    b"L": Dialogue._header,
    b"N": Dialogue._end_of_headers,
    b"B": Dialogue._body,
    b"E": Dialogue._end,
    b"A": Dialogue._abort,
    b"Q": Dialogue._quit,
    b"K": Dialogue._quit_for_another,
}


def _address(client: Connect) -> str:
    """The client's address as the rest of MailGuard writes it; empty when there is none."""
    if client.family not in (b"4", b"6"):
        return ""
    try:
        # Sendmail writes IPv6:2001:db8::1.
        text = client.address.decode("ascii").removeprefix("IPv6:")
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
