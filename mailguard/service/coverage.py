"""Which mail the configured listeners can see at all."""

from mailguard.config import Config, ListenerSection
from mailguard.mail.envelope import Origin
from mailguard.policy.mail_kind import MailKind

ALL = frozenset(MailKind)


def kinds_through(listener: ListenerSection) -> frozenset[MailKind]:
    """The ways of the mail that can come through `listener`, by its settings."""
    match listener.origin:
        case Origin.OUTSIDE:
            # Who logs in through it is of the school, whatever else comes there.
            kinds = ALL if listener.auth == "pass" else frozenset({MailKind.INBOUND})
        case Origin.INSIDE:
            kinds = frozenset({MailKind.OUTBOUND, MailKind.INTERNAL})
        case _:
            kinds = ALL
    # LMTP ends at a mailbox of the school's own (RFC 2033 §1).
    return kinds - {MailKind.OUTBOUND} if listener.protocol == "lmtp" else kinds


def blind_to(config: Config) -> tuple[MailKind, ...]:
    """The ways of mail that no listener can see."""
    seen = frozenset[MailKind]().union(*map(kinds_through, config.listeners))
    return tuple(kind for kind in MailKind if kind not in seen)
