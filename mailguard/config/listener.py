"""The keys of one listener."""

from typing import Literal

from pydantic import Field, model_validator

from mailguard.config.section import Section
from mailguard.config.values import (
    ListenerAddress,
    Network,
    NextHopUrls,
)
from mailguard.mail.envelope import Origin


class ListenerSection(Section):
    """One address that MailGuard listens on."""

    name: str = Field(default="mail", pattern=r"^[a-z][a-z0-9_-]{0,31}$")
    """A short word for logs and evidence."""

    address: ListenerAddress = "127.0.0.1:10025"
    """host:port to listen on, or unix:/path: who may use the folder of that socket counts as this
    machine."""

    protocol: Literal["smtp", "lmtp", "milter"] = "smtp"
    """`smtp`: mail passes through. `lmtp`: the same, with a reply for each recipient, for a mail
    server that delivers through MailGuard. `milter`: a mail server keeps its mail and asks what to
    do."""

    origin: Origin = Origin.ANY
    """Where its mail comes from: `inside` (authenticated users, school machines), `outside` (the
    world) or `any` (unknown; then a forged pupil's address cannot be told from a real one). A
    milter with `any` is told: inside is who has logged in or is in `clients`."""

    next_hop: NextHopUrls = ("smtp://127.0.0.1:10026",)
    """The mail server that takes what passes; for a milter, what is released: a port of it that
    does not ask the milter again (but see `next_hop_asks`). One, or a list: whoever cannot be
    reached is passed over. Each is `smtp://host:port`, `smtps://host:port` (TLS from the start),
    `lmtp://host:port`, `smtp+unix:/path`, `lmtp+unix:/path`, `smtp+mx://domain[:port]` or
    `smtp+srv://_smtp._tcp.domain`."""

    clients: tuple[Network, ...] = ("127.0.0.0/8", "::1/128")
    """Networks whose machines may send to any domain. For a milter, the networks of the school's
    own machines."""

    public: bool = False
    """Anyone may connect, but only for `school.domains`."""

    milter_from: tuple[Network, ...] = ("127.0.0.0/8", "::1/128")
    """Networks whose mail servers may ask a milter over TCP; for a Unix socket, the group of its
    folder may."""

    xforward_from: tuple[Network, ...] = ("127.0.0.0/8", "::1/128")
    """Networks whose mail servers may say by XFORWARD whose message it is that they pass on, as
    Postfix does to a proxy filter. It gives no right to send."""

    xclient_from: tuple[Network, ...] = ()
    """Networks whose machines may speak for any other client by XCLIENT: its address, name, login
    and rights become theirs."""

    proxy_from: tuple[Network, ...] = ()
    """Load balancers: each of their connections must begin with a PROXY header (version 1 or 2),
    and the client that it names is the one that counts."""

    tls: Literal["none", "may", "require", "implicit"] = "none"
    """TLS with clients: `may` offers STARTTLS, `require` takes no mail before it, `implicit` begins
    with it (port 465). TLS 1.2 or newer."""

    tls_certificate: str = ""
    """PEM file with the certificate and those that lead to its root; relative to this file. Read
    again when it changes."""

    tls_key: str = ""
    """PEM file with its key, without a passphrase; empty means that it is in `tls_certificate`."""

    next_hop_tls: Literal["none", "may", "require", "verify"] = "none"
    """TLS with the next hop: `may` uses it where it works, `require` sends no mail without it,
    `verify` wants a certificate for the next hop's name that this machine trusts. `smtps` is always
    encrypted, a Unix socket never."""

    next_hop_xclient: bool = False
    """Become the client by XCLIENT towards a next hop that offers it and no XFORWARD: the next hop
    then judges the client as if there were no MailGuard. Each message takes its own connection."""

    next_hop_asks: bool = False
    """For a milter: the port at `next_hop` asks a milter of ours as well. What is released then
    carries a key by which it is known again, once; the mail server is told to take it out."""

    auth: Literal["none", "pass"] = "none"
    """`pass`: for submission. Strangers may connect, log in at the next hop through us (only within
    TLS, or from this machine) and then send to any domain; their mail counts as `inside`."""

    bare_newline: Literal["refuse", "normalise"] = "refuse"
    """What becomes of a message with a bare CR or LF: refused, or turned into CRLF for scanner
    and next hop alike (for old copiers)."""

    @model_validator(mode="after")
    def _lmtp_has_a_port_of_its_own(self) -> "ListenerSection":
        # RFC 2033 §5: what connects there expects SMTP.
        if self.protocol == "lmtp" and self.address.endswith(":25"):
            raise ValueError(
                f"listeners: {self.name!r} speaks LMTP, which may not use port 25; "
                "write another port, e.g. 127.0.0.1:24, or a Unix socket"
            )
        return self

    @model_validator(mode="after")
    def _only_a_milter_is_asked_again(self) -> "ListenerSection":
        if self.next_hop_asks and self.protocol != "milter":
            raise ValueError(
                f"listeners: {self.name!r} has next_hop_asks and is no milter; leave it out"
            )
        return self

    @model_validator(mode="after")
    def _what_belongs_together(self) -> "ListenerSection":
        if self.tls != "none" and not self.tls_certificate:
            raise ValueError(
                f"listeners: {self.name!r} has tls = {self.tls!r} and no certificate; "
                "set tls_certificate to a PEM file"
            )
        return self
