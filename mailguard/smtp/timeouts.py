"""How long a next hop gets for what."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds. None alone uses up the 80 s for a whole answer, nor the 100 s that Postfix's
    `smtpd_proxy_timeout` allows for a reply."""

    connect: float = 10
    """For one host, shared out between its addresses."""

    greeting: float = 20
    """For the greeting, and for the reply to EHLO; Postfix's postscreen takes 6."""

    reach: float = 30
    """Until some host of a list has said EHLO, all tries together."""

    command: float = 60
    final: float = 60
    """From the final dot to its reply, over LMTP to the last of its replies. RFC 5321 §4.5.3.2.6
    wants ten minutes; our own client does not wait so long, and a late 250 is a message delivered
    twice."""

    idle: float = 60
    """A connection unused for so long is closed. Postfix closes after 300."""
