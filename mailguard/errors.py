"""Every way MailGuard can fail, on one page.

::

    MailGuardError
    ├── ConfigError              start-up only; carries every problem found      exit 78
    ├── RuleError                a rule or detector that does not load
    ├── UserError                what a person asked cannot be done               exit 1
    │   ├── UnknownItem          no held message has this id
    │   └── IllegalTransition    another decision came first, or the state forbids it
    ├── TemporaryFailure         -> 451: our fault or the world's; the sender keeps the message
    │   ├── NextHopUnavailable   no connection, a dead one, or no reply in time
    │   ├── SpoolUnavailable     the evidence could not be made durable
    │   ├── StoreUnavailable     the database could not commit
    │   └── ScanFailed           the judging itself broke, outside any one engine
    └── EvidenceDamaged          bytes on disk are not the bytes that were stored

Only :class:`TemporaryFailure` and the unknown ever reach an SMTP peer, as a constant text;
the reason goes to the log under the queue id.
"""

import traceback
from collections.abc import Sequence


class MailGuardError(Exception):
    """The root. ``is_temporary`` says whether trying again later can help."""

    is_temporary = False


class ConfigError(MailGuardError):
    """The configuration cannot be used; ``problems`` holds one sentence for each mistake."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class RuleError(MailGuardError):
    """A rule or detector cannot be used; `file` and `key` say where, `reason` what is wrong."""

    def __init__(self, file: str, reason: str, key: str = "") -> None:
        self.file, self.key, self.reason = file, key, reason
        super().__init__(f"{file}: {key}: {reason}" if key else f"{file}: {reason}")


class UserError(MailGuardError):
    """What a person asked for cannot be done; the text says what to do instead."""


class UnknownItem(UserError):
    """No held message has this id."""


class IllegalTransition(UserError):
    """The held message is not in a state from which this decision is possible."""


class TemporaryFailure(MailGuardError):
    """Nothing was taken over: the peer gets 451 and keeps the message."""

    is_temporary = True


class NextHopUnavailable(TemporaryFailure):
    """The next hop cannot be reached, closed the connection, or did not answer in time.

    ``may_have_accepted`` is true once the final dot was written: the message may then arrive twice.
    """

    def __init__(self, reason: str, *, may_have_accepted: bool = False) -> None:
        self.may_have_accepted = may_have_accepted
        super().__init__(reason)


class SpoolUnavailable(TemporaryFailure):
    """The evidence could not be made durable (disk full, I/O error, permissions)."""


class StoreUnavailable(TemporaryFailure):
    """The database could not be read or could not commit."""


class ScanFailed(TemporaryFailure):
    """The judging broke as a whole: no verdict exists, so nothing may be done with the message."""


class EvidenceDamaged(MailGuardError):
    """Bytes on disk are not the bytes that were stored."""


def describe_error(error: BaseException) -> str:
    """What the log may say of it: our own errors in their words; any other by type and place, since
    its text may quote mail.

    What a person is told about a request may name people, and is no business of the log's.
    """
    if isinstance(error, MailGuardError) and not isinstance(error, UserError):
        return f"{type(error).__name__}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"
