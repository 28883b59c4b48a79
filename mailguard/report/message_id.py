"""The Message-ID of a mail of ours: made of what it is about and for whom, so that a copy has it
too."""

import hashlib
import hmac

from mailguard.report.own_mail import Kind

DIGITS = 32
"""Hexadecimal digits: 128 bits, which nobody guesses."""


def make_message_id(
    secret: bytes, school: str, kind: Kind, about: str, recipient: str, domain: str
) -> str:
    """Return the Message-ID, with its angle brackets, of the one mail about this to this person.

    The same for the same arguments; without the secret it cannot be foreseen, nor can two mails be
    seen to be for the same person.
    """
    parts = (school, str(kind), about, recipient)
    # Lengths first: no two lists of parts may read alike.
    text = "".join(f"{len(part)}:{part}" for part in ("message-id", *parts))
    digest = hmac.new(secret, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
    return f"<{digest[:DIGITS]}@{_ascii(domain)}>"


def _ascii(domain: str) -> str:
    try:
        return domain.encode("idna").decode()
    except UnicodeError:
        # The right side need only be in ASCII; the left one is unique by itself.
        return "mailguard.invalid"
