"""What a next hop is told of the client whose message it gets: XFORWARD, or XCLIENT."""

from dataclasses import dataclass

from mailguard.mail.envelope import Session
from mailguard.smtp.attributes import attributes_of, write_commands
from mailguard.smtp.link import Link


@dataclass(frozen=True, slots=True, kw_only=True)
class Introduced:
    """Whose message a delivery carries."""

    session: Session | None
    """None for what comes from MailGuard itself, a released message among it."""

    ident: str

    def commands(self, link: Link) -> tuple[bytes, ...]:
        """What tells the next hop, if it asks for it."""
        offered = link.offers.get("XFORWARD")
        if not offered or self.session is None:
            return ()
        attributes = attributes_of(self.session, self.ident, offered)
        return tuple(write_commands(b"XFORWARD", attributes)) if attributes else ()

    def must_speak(self, link: Link) -> bool:
        """Only XCLIENT can tell this next hop."""
        return (
            self.session is not None and "XCLIENT" in link.offers and "XFORWARD" not in link.offers
        )

    def xclient(self, link: Link) -> tuple[bytes, ...]:
        """What makes us that client; the address, after which we may no longer say it, is last."""
        assert self.session is not None
        told = dict(attributes_of(self.session, "", link.offers["XCLIENT"]))
        if "ADDR" in told:
            told["ADDR"] = told.pop("ADDR")
        return tuple(write_commands(b"XCLIENT", told))

    @property
    def helo(self) -> bytes:
        """The client's own."""
        return self.session.helo.encode("ascii", "replace") if self.session else b""
