"""Settings of Postfix's services that do not go together with MailGuard's."""

from collections.abc import Iterator, Sequence

from mailguard.cli.checks.result import Result
from mailguard.cli.postfix import Postfix, SmtpService
from mailguard.config import Config
from mailguard.service.compose import MIB

_ALIVE_S = 10
"""Between MailGuard's signs of life while a milter is being asked."""

_PASSED_ON = {"dsn": "delivery reports (DSN)", "smtputf8": "addresses in other scripts (SMTPUTF8)"}
"""What a client may ask for, and Postfix asks of a proxy filter whatever that offers."""


def note(what: str, do: str) -> Result:
    """Something to know that is not wrong."""
    return Result(name="postfix", ok=True, what=what, do=do)


def judge_giving(
    service: SmtpService, taking: Sequence[SmtpService], postfix: Postfix, config: Config
) -> Iterator[Result]:
    """A service that has us as its proxy filter, beside those that take mail back from us."""
    patience = postfix.seconds(service, "smtpd_proxy_timeout")
    if patience <= config.relay.answer_s:
        yield _wrong(
            f"{service.name} waits {patience} s for MailGuard's answer, which may take "
            f"{config.relay.answer_s} s: a message might come twice.",
            f"Add -o smtpd_proxy_timeout={config.relay.answer_s + 20}s to {service.name} in "
            "master.cf, or lower relay.answer_s.",
        )
    yield from _too_large(service, postfix, config)
    for back in taking:
        for keyword, words in _PASSED_ON.items():
            if _offers(service, keyword, postfix) and not _offers(back, keyword, postfix):
                yield _wrong(
                    f"{service.name} offers {words}, and {back.name}, which takes mail back, does "
                    "not: a message that asks for it is refused.",
                    f"Let both have the same smtpd_discard_ehlo_keywords{_and_utf8(keyword)}.",
                )
    if "speed_adjust" in postfix.setting(service, "smtpd_proxy_options"):
        yield note(
            f"{service.name} has smtpd_proxy_options = speed_adjust: where one recipient of "
            "several is refused behind MailGuard, Postfix refuses the message for all of them.",
            "Have unknown recipients refused by this service itself (reject_unlisted_recipient), "
            "or take the option away. What is held for some only is not concerned.",
        )


def judge_asking(service: SmtpService, postfix: Postfix, config: Config) -> Iterator[Result]:
    """A service that asks us as its milter."""
    yield from _too_large(service, postfix, config)
    action = postfix.setting(service, "milter_default_action")
    if action != "tempfail":
        effect = "passes unread" if action == "accept" else "is not asked to come again"
        yield _wrong(
            f"{service.name} has milter_default_action = {action}: mail {effect} whenever "
            "MailGuard does not answer.",
            "postconf -e milter_default_action=tempfail",
        )
    protocol = postfix.setting(service, "milter_protocol")
    if protocol != "6":
        yield _wrong(
            f"{service.name} has milter_protocol = {protocol}: what is judged and kept may "
            "differ from the message in its spaces.",
            "postconf -e milter_protocol=6",
        )
    # Each sign of life begins its time anew, so it need not be as long as relay.answer_s.
    for name, least, usual in (
        ("milter_content_timeout", 3 * _ALIVE_S, "300s"),
        ("milter_command_timeout", _ALIVE_S, "30s"),
        ("milter_connect_timeout", _ALIVE_S, "30s"),
    ):
        patience = postfix.seconds(service, name)
        if patience < least:
            yield _wrong(
                f"{service.name} has {name} = {patience} s, and MailGuard needs {least}: a message "
                "that takes long to judge is put off, and judged again.",
                f"postconf -e {name}={usual}",
            )


def judge_taking(service: SmtpService, postfix: Postfix) -> Iterator[Result]:
    """A service that takes mail back."""
    if not postfix.setting(service, "smtpd_authorized_xforward_hosts"):
        yield note(
            f"{service.name} takes mail back without learning whose it was: its log names this "
            "machine for every message.",
            f"Add -o smtpd_authorized_xforward_hosts=127.0.0.0/8 to {service.name} in master.cf.",
        )


def judge_newlines(services: Sequence[SmtpService], postfix: Postfix) -> Iterator[Result]:
    """The services that take mail from clients."""
    # Where Postfix is too old for the parameter, it has none.
    lenient = [
        service.name
        for service in services
        if postfix.setting(service, "smtpd_forbid_bare_newline") == "no"
    ]
    if lenient:
        yield note(
            f"smtpd_forbid_bare_newline = no for {', '.join(lenient)}: a client may hide a second "
            "message in one, in the name of somebody else (SMTP smuggling).",
            "postconf -e smtpd_forbid_bare_newline=normalize "
            "'smtpd_forbid_bare_newline_exclusions=$mynetworks'",
        )


def _too_large(service: SmtpService, postfix: Postfix, config: Config) -> Iterator[Result]:
    most = config.limits.message_mb * MIB
    largest = postfix.setting(service, "message_size_limit")
    size = int(largest) if largest.isdigit() else 0
    if not 0 < size <= most:
        yield _wrong(
            f"{service.name} takes messages of "
            f"{f'{size:,} bytes' if size else 'any size'}, MailGuard {most:,} at most.",
            f"postconf -e message_size_limit={most}, or raise limits.message_mb.",
        )


def _offers(service: SmtpService, keyword: str, postfix: Postfix) -> bool:
    """Whether it announces this keyword of EHLO to everybody."""
    hidden = postfix.setting(service, "smtpd_discard_ehlo_keywords").lower().replace(",", " ")
    is_off = keyword == "smtputf8" and postfix.setting(service, "smtputf8_enable") == "no"
    return keyword not in hidden.split() and not is_off


def _and_utf8(keyword: str) -> str:
    return " and smtputf8_enable" if keyword == "smtputf8" else ""


def _wrong(what: str, do: str) -> Result:
    return Result(name="postfix", ok=False, what=what, do=do)
