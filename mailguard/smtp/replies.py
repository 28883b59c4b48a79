"""What the SMTP edge says for itself, as constants; all other replies are flow's or the next hop's.

Enhanced codes are those of RFC 3463.
"""

from mailguard.mail.reply import Reply

OK = Reply.of(250, "2.0.0 Ok")
BYE = Reply.of(221, "2.0.0 Bye")
HELP = Reply.of(214, "2.0.0 EHLO HELO MAIL RCPT DATA RSET NOOP VRFY QUIT")
HELP_LMTP = Reply.of(214, "2.0.0 LHLO MAIL RCPT DATA RSET NOOP VRFY QUIT")
CANNOT_VERIFY = Reply.of(252, "2.1.5 Cannot verify, but will take a message for it")
GO_AHEAD = Reply.of(354, "End data with <CR><LF>.<CR><LF>")

# The command itself.
BAD_LINE_END = Reply.of(500, "5.5.2 Command ends in a bare line feed")
LINE_TOO_LONG = Reply.of(500, "5.5.6 Command line too long")
NOT_SMTP = Reply.of(500, "5.5.2 This is not SMTP")
UNKNOWN_COMMAND = Reply.of(502, "5.5.1 Command not implemented")
BAD_ARGUMENT = Reply.of(501, "5.5.4 Bad argument")
BAD_SENDER = Reply.of(501, "5.1.7 Bad sender address syntax")
BAD_RECIPIENT = Reply.of(501, "5.1.3 Bad recipient address syntax")
NO_SMTPUTF8 = Reply.of(555, "5.5.4 SMTPUTF8 is not supported here")
SMTPUTF8_GONE = Reply.of(451, "4.3.5 SMTPUTF8 is not supported any more, please try again later")
"""It was announced to this client: by now there is a next hop that lacks it."""

HELO_FIRST = Reply.of(503, "5.5.1 Send HELO or EHLO first")
LHLO_FIRST = Reply.of(503, "5.5.1 Send LHLO first")
NOT_LMTP = Reply.of(500, "5.5.1 This is LMTP, send LHLO")
"""To HELO and EHLO, so that no SMTP client takes one for the other (RFC 2033 §4.1)."""

NESTED_MAIL = Reply.of(503, "5.5.1 Nested MAIL command")
MAIL_FIRST = Reply.of(503, "5.5.1 Send MAIL first")
RCPT_FIRST = Reply.of(503, "5.5.1 Send RCPT first")
NO_RECIPIENTS = Reply.of(554, "5.5.1 No valid recipients")
NO_LMTP_RECIPIENTS = Reply.of(503, "5.5.1 No valid recipients")
"""RFC 2033 §4.2 wants just this code."""

MAIL_UNDER_WAY = Reply.of(503, "5.5.1 MAIL transaction in progress")

TLS_ACTIVE = Reply.of(503, "5.5.1 TLS is active already")
TLS_READY = Reply.of(220, "2.0.0 Ready to start TLS")
INJECTED = Reply.of(554, "5.5.1 Nothing may follow STARTTLS in the clear")
TLS_FIRST = Reply.of(530, "5.7.0 Must issue a STARTTLS command first")
"""RFC 3207 §4."""

# What the client may do.
NOT_AUTHORISED = Reply.of(550, "5.7.0 Insufficient authorization")
NOT_A_CLIENT = Reply.of(554, "5.7.1 Access denied")
EARLY_TALKER = Reply.of(554, "5.5.0 Client spoke before the greeting")
LOGIN_FIRST = Reply.of(530, "5.7.0 Authentication required")
LOGGED_IN = Reply.of(503, "5.5.1 Already authenticated")
NO_SUCH_MECHANISM = Reply.of(504, "5.5.4 Unrecognized authentication type")
BAD_RESPONSE = Reply.of(501, "5.5.2 Cannot make sense of that authentication response")
NO_PROXY_HEADER = Reply.of(554, "5.5.0 No PROXY header")
RELAYING_DENIED = Reply.of(550, "5.7.1 Relaying denied")
RECIPIENT_OK = Reply.of(250, "2.1.5 Ok")
"""For the one recipient that no next hop is asked about."""

ONLY_FROM_INSIDE = Reply.of(550, "5.7.1 This address is only for mail from inside the school")
ANSWER_ALONE = Reply.of(550, "5.5.3 Answer to this address alone, without any other recipient")
TOO_MANY_RECIPIENTS = Reply.of(452, "4.5.3 Too many recipients")
TOO_MANY_HOPS = Reply.of(554, "5.4.6 Too many hops")

# Why the connection ends (421, RFC 5321 §3.8).
TOO_MANY_CONNECTIONS = Reply.of(421, "4.7.0 Too many connections, try again later")
TOO_MANY_ERRORS = Reply.of(421, "4.7.0 Too many errors")
TOO_MANY_COMMANDS = Reply.of(421, "4.7.0 Too many commands without a message")
TIMED_OUT = Reply.of(421, "4.4.2 Timeout, closing the connection")
SHUTTING_DOWN = Reply.of(421, "4.3.2 Shutting down, try again later")


def greeting(hostname: str, *, is_lmtp: bool = False) -> Reply:
    """What a connection, or what counts as a new one, begins with."""
    return Reply.of(220, f"{hostname} {'LMTP' if is_lmtp else 'ESMTP'}")
