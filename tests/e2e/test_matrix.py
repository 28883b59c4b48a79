"""Every client, through the real service, to every next hop: what arrives is what was sent.

Each client sends every letter that it can to each next hop (swaks a few), so that all pairs of
client, next hop and odd message are met. What a client or a server changes by itself, without us
too, is named here with the reason, and nothing else is left out.
"""

import base64
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dkim
import pytest

from mailguard.testing import clients, dovecot, exim, mail
from mailguard.testing.clients import Send
from mailguard.testing.dovecot import Dovecot
from mailguard.testing.exim import Exim
from mailguard.testing.letter import Arrived, Letter
from mailguard.testing.postfix import Postfix
from mailguard.testing.service import Service, free_port, wait_until
from mailguard.testing.sink import Sink

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="Postfix is started by root"),
    pytest.mark.skipif(shutil.which("postfix") is None, reason="Postfix is not installed"),
    pytest.mark.skipif(not exim.BINARY.exists(), reason="scripts/bootstrap --tests brings Exim"),
    pytest.mark.skipif(not dovecot.LMTP.exists(), reason="Dovecot's LMTP is not installed"),
    pytest.mark.skipif(bool(clients.missing_clients()), reason="a client is not installed"),
]

HOPS = ("our sink", "Postfix", "Exim", "Dovecot")

CLIENTS: dict[str, Send] = {
    "smtplib": clients.send_with_smtplib,
    "curl": clients.send_with_curl,
    "swaks": clients.send_with_swaks,
    "nodemailer": clients.send_with_nodemailer,
}
"""These speak with MailGuard themselves."""

FRONTS = {
    "Postfix proxy": "-o smtpd_proxy_filter=127.0.0.1:{port} -o smtpd_proxy_timeout=20s",
    "Postfix proxy, adjusted": "-o smtpd_proxy_filter=127.0.0.1:{port} "
    "-o smtpd_proxy_timeout=20s -o smtpd_proxy_options=speed_adjust",
    "Postfix relay": "-o content_filter=smtp:[127.0.0.1]:{port}",
}
"""For these smtplib speaks with a Postfix, and that with MailGuard."""

HEAD = b"From: Sam <sam@pupils.elmpark.example>\r\nSubject: A message\r\n\r\n"

BODIES = {
    "ordinary": mail("Trip letters are due on Friday. Ümläute."),
    "eight-bit": HEAD + bytes(range(128, 256)) + b"\r\n",
    "empty-body": HEAD,
    "no-header": b"\r\nHello\r\n",
    "no-empty-line": b"Hello\r\n",
    "one-empty-line": b"\r\n",
    "dots": HEAD + b".\r\n..\r\n.a\r\na.\r\n\r\n.\r\n",
    "dot-first": b".\r\n..\r\n",
    "spaces": b"Subject: a \r\n\tb \r\n\r\n \t \r\n\r\n\r\n",
    "looks-like-commands": HEAD + b"QUIT\r\nRSET\r\nMAIL FROM:<x@y.example>\r\n250 Ok\r\n",
    "line-of-998": HEAD + b"x" * 998 + b"\r\n",
    "line-of-999": HEAD + b"x" * 999 + b"\r\n",
    "line-of-100000": HEAD + b"y" * 100_000 + b"\r\n",
    "many-lines": HEAD + (b"." + b"m" * 76 + b"\r\n") * 2_000,
    "NUL": HEAD + b"a\0b\r\n\0\0\r\n",
}

SAM = "sam@pupils.elmpark.example"

SENDERS = {
    "null-sender": "",
    "quoted-sender": '"sam reed"@pupils.elmpark.example',
    "capital-sender": "Sam.Reed+Trip@Pupils.ElmPark.example",
}

FOLDS = "Postfix folds lines of more than 998 bytes (smtp_line_length_limit)"
QUOTES = "nodemailer puts a space before the closing quote of an address"
LOWERS = "nodemailer writes a domain in small letters"
NOT_OFFERED = "Dovecot's LMTP does not announce it"
NEVER_SAYS_IT = "swaks cannot say SMTPUTF8"

LEFT_OUT = {
    ("Postfix", "line-of-999"): FOLDS,
    ("Postfix", "line-of-100000"): FOLDS,
    ("Postfix relay", "line-of-999"): FOLDS,
    ("Postfix relay", "line-of-100000"): FOLDS,
    ("nodemailer", "quoted-sender"): QUOTES,
    ("nodemailer", "quoted-recipient"): QUOTES,
    ("nodemailer", "capital-sender"): LOWERS,
    ("swaks", "SMTPUTF8"): NEVER_SAYS_IT,
    ("Dovecot", "SMTPUTF8"): NOT_OFFERED,
    ("Dovecot", "DSN"): NOT_OFFERED,
}
"""What cannot be sent, or would not arrive as it was sent without us either: (client or next hop,
letter), and why."""

COMPLETING = {"Postfix", "Postfix relay", "Exim"}
HAVE_NO_HEADER = {"no-empty-line", "dot-first"}
"""To these such a server adds the empty line that they lack in front of their body."""


SOME = ("ordinary", "dots", "eight-bit", "null-sender")
"""What swaks, of which each letter costs a process, sends to other next hops than our sink: it then
has met each of them, and each letter has met swaks and, from others, each of them."""


def letters_of(client: str, hop: str) -> list[Letter]:
    """All that this client can send to this next hop, with recipients that tell them apart."""
    name = word_for(client, hop)
    plain = [
        Letter(name=what, raw=raw, to=f"{name}.{what}@elmpark.example")
        for what, raw in BODIES.items()
    ]
    odd = [
        Letter(name=what, raw=mail(), sender=sender, to=f"{name}.{what}@elmpark.example")
        for what, sender in SENDERS.items()
    ]
    rest = [
        Letter(name="quoted-recipient", raw=mail(), to=f'"{name}. quoted"@elmpark.example'),
        Letter(
            name="8BITMIME",
            raw=BODIES["eight-bit"],
            to=f"{name}.8BITMIME@elmpark.example",
            mail_parameters=("BODY=8BITMIME",),
        ),
        Letter(
            name="SMTPUTF8",
            raw=mail(from_="zoë@pupils.elmpark.example"),
            sender="zoë@pupils.elmpark.example",
            to=f"{name}.smtputf8@elmpark.example",
            mail_parameters=("SMTPUTF8",),
        ),
        Letter(
            name="DSN",
            raw=mail(),
            to=f"{name}.dsn@elmpark.example",
            mail_parameters=("RET=HDRS", "ENVID=QQ+2B314"),
            rcpt_parameters=("NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;Ms.Khan@elmpark.example"),
        ),
    ]
    return [
        letter
        for letter in (*plain, *odd, *rest)
        if not {(client, letter.name), (hop, letter.name)} & LEFT_OUT.keys()
        and (client != "swaks" or hop == "our sink" or letter.name in SOME)
    ]


def word_for(client: str, hop: str) -> str:
    """Part of an address. No two letters are alike: nodemailer hangs up without QUIT, so the same
    again would be taken for the retry of a message whose reply was never read."""
    return f"{client}.{hop}".translate({ord(" "): "-", ord(","): None})


def signed_by(client: str, hop: str, raw: bytes) -> Letter:
    """A letter with a signature."""
    return Letter(
        name="signed",
        raw=raw,
        to=f"signed.{word_for(client, hop)}@elmpark.example",
        mail_parameters=("BODY=8BITMIME",),
    )


def mailbox(address: str) -> str:
    """The name of an address's mailbox, which is all that Dovecot tells of a recipient."""
    local, at, _ = address.rpartition("@")
    return (local if at else address).strip('"').lower()


@dataclass
class World:
    """Everything that is started once."""

    service: Service
    sinks: dict[str, Sink]
    exim: Exim
    dovecot: Dovecot
    ports: dict[tuple[str, str], int]
    """Where a client finds the way to a next hop."""

    def send(self, client: str, hop: str, letters: list[Letter]) -> dict[str, str]:
        """The reply to each letter, by its name."""
        return CLIENTS.get(client, clients.send_with_smtplib)(self.ports[client, hop], letters)

    def arrived(self, hop: str, letters: list[Letter]) -> dict[str, Arrived]:
        """What came to their recipients, by the letters' names, once all are there."""
        names = {mailbox(letter.to): letter.name for letter in letters}
        found: dict[str, Arrived] = {}

        def are_all_there() -> bool:
            found.update(
                (names[mailbox(each.to)], each)
                for each in self.at(hop)
                if mailbox(each.to) in names
            )
            return len(found) == len(names)

        try:
            wait_until(are_all_there, 15)
        except AssertionError:
            missing = sorted(set(names.values()) - found.keys())
            raise AssertionError(f"did not arrive: {missing}") from None
        return found

    def at(self, hop: str) -> list[Arrived]:
        """All that came to this next hop's end."""
        if hop == "Exim":
            return self.exim.arrived()
        if hop == "Dovecot":
            return self.dovecot.arrived()
        return [
            Arrived(
                sender=each.sender.address,
                to=each.recipients[0].address,
                raw=each.file.read_bytes(),
            )
            for each in self.sinks[hop].delivered
        ]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, rule_cache: Path) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("matrix")
    sinks = {hop: Sink(folder / hop) for hop in ("our sink", "Postfix")}
    listeners = {hop: free_port() for hop in HOPS}
    fronts = {(client, hop): free_port() for client in FRONTS for hop in HOPS}
    back = free_port()
    postfix = Postfix(
        proxy=free_port(),
        relay=sinks["Postfix"].port,
        # Must: Postfix completes the header of what comes from its own machine, as all does here.
        # So its end is one that takes no XFORWARD, which would say just that.
        extra="local_header_rewrite_clients =\n",
        services="".join(
            f"127.0.0.1:{port} inet n - n - 20 smtpd {FRONTS[client]}\n".format(port=listeners[hop])
            for (client, hop), port in fronts.items()
        )
        + f"127.0.0.1:{back} inet n - n - 20 smtpd\n",
    )
    end = Exim()
    people = Dovecot(
        users={
            f"{mailbox(letter.to)}@elmpark.example": 0
            for client in (*CLIENTS, *FRONTS)
            for letter in (*letters_of(client, "Dovecot"), signed_by(client, "Dovecot", b""))
        }
    )
    next_hops = {
        "Postfix": f"smtp://127.0.0.1:{back}",
        "Exim": f"smtp://127.0.0.1:{end.port}",
        "Dovecot": f"lmtp://127.0.0.1:{people.port}",
    }
    service = Service(
        folder=folder / "mailguard",
        next_hop=sinks["our sink"].port,
        cache=rule_cache,
        port=listeners["our sink"],
        extra="".join(
            f'[[listeners]]\nname = "{hop.lower()}"\naddress = "127.0.0.1:{listeners[hop]}"\n'
            f'origin = "inside"\nnext_hop = "{next_hop}"\n'
            for hop, next_hop in next_hops.items()
        ),
    )
    started = []
    try:
        for each in (*sinks.values(), postfix, end, people, service):
            started.append(each)
            each.start()
        direct = {(client, hop): listeners[hop] for client in CLIENTS for hop in HOPS}
        yield World(service=service, sinks=sinks, exim=end, dovecot=people, ports=direct | fronts)
    finally:
        for each in reversed(started):
            each.stop()


def expected(client: str, hop: str, letters: list[Letter]) -> dict[str, bytes]:
    """What is to arrive of each letter, by its name."""
    completed = HAVE_NO_HEADER if {client, hop} & COMPLETING else set()
    return {
        letter.name: b"\r\n" + letter.raw if letter.name in completed else letter.raw
        for letter in letters
    }


def digests(messages: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(raw).hexdigest() for name, raw in messages.items()}


@pytest.mark.parametrize("hop", HOPS)
@pytest.mark.parametrize("client", [*CLIENTS, *FRONTS])
def test_every_message_arrives_byte_for_byte(world: World, client: str, hop: str) -> None:
    letters = letters_of(client, hop)
    said = world.send(client, hop, letters)

    assert {name: text for name, text in said.items() if not text.startswith("250")} == {}
    came = world.arrived(hop, letters)
    assert digests(expected(client, hop, letters)) == digests(
        {name: each.sent for name, each in came.items()}
    )
    assert {letter.name: letter.sender for letter in letters} == {
        name: each.sender for name, each in came.items()
    }


PARAMETERS = {
    "smtplib": ({"BODY=8BITMIME", "SIZE=60", "RET=HDRS", "ENVID=QQ+2B314"}, True),
    "nodemailer": ({"BODY=8BITMIME", "RET=HDRS", "ENVID=QQ+2B314"}, True),
    "curl": ({f"SIZE={len(HEAD) + 3}"}, False),
    "Postfix proxy": ({"BODY=8BITMIME", "SIZE=60", "RET=HDRS", "ENVID=QQ+2B314"}, True),
    "Postfix proxy, adjusted": ({"BODY=8BITMIME", "SIZE=60", "RET=HDRS", "ENVID=QQ+2B314"}, True),
    "Postfix relay": ({"BODY=8BITMIME", "RET=HDRS", "ENVID=QQ+2B314"}, True),
}
"""What each client can say of a message, and whether it can ask for notices."""


@pytest.mark.parametrize("client", PARAMETERS)
def test_parameters_reach_the_next_hop_as_the_client_wrote_them(world: World, client: str) -> None:
    letter = Letter(
        name="parameters",
        raw=HEAD + b"\xe9\r\n",
        to=f"{word_for(client, 'parameters')}@elmpark.example",
        mail_parameters=("BODY=8BITMIME", "SIZE=60", "RET=HDRS", "ENVID=QQ+2B314"),
        rcpt_parameters=("NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;Ms.Khan@elmpark.example"),
    )
    world.send(client, "our sink", [letter])

    world.arrived("our sink", [letter])
    (came,) = (
        each
        for each in world.sinks["our sink"].delivered
        if each.recipients[0].address == letter.to
    )
    said, asks = PARAMETERS[client]
    assert said <= set(came.sender.argument.decode().split()[1:])
    assert (set(letter.rcpt_parameters) if asks else set()) == set(
        came.recipients[0].argument.decode().split()[1:]
    )


@pytest.mark.parametrize("hop", HOPS)
@pytest.mark.parametrize("client", ["smtplib", "curl"])
@pytest.mark.parametrize("line", [b"a\nb\r\n", b"a\rb\r\n", b"a\n.\nb\r\n"])
def test_a_bare_cr_or_lf_is_refused_whoever_sends_it(
    world: World, client: str, hop: str, line: bytes
) -> None:
    letter = Letter(name="bare", raw=HEAD + line, to=f"bare.{client}@elmpark.example")

    said = world.send(client, hop, [letter])

    assert said["bare"].startswith("550")
    assert [] == [each for each in world.at(hop) if each.to == letter.to]


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """A private key, and the DNS record of its public half."""
    private = subprocess.run(
        ["openssl", "genrsa", "-traditional", "2048"], capture_output=True, check=True, timeout=60
    ).stdout
    public = subprocess.run(
        ["openssl", "rsa", "-pubout", "-outform", "DER"],
        input=private,
        capture_output=True,
        check=True,
        timeout=60,
    ).stdout
    return private, b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)


@pytest.mark.parametrize("hop", HOPS)
@pytest.mark.parametrize("client", ["nodemailer", "Postfix proxy", "Postfix relay"])
def test_a_dkim_signature_is_still_valid(
    world: World, key: tuple[bytes, bytes], client: str, hop: str
) -> None:
    private, record = key
    raw = mail("Trip letters are due on Friday.  \n.\n\tÜmläute\n\n" + "x" * 990)
    signature = dkim.sign(
        raw, b"school", b"elmpark.example", private, canonicalize=(b"simple", b"simple")
    )
    letter = signed_by(client, hop, signature + raw)
    world.send(client, hop, [letter])

    came = world.arrived(hop, [letter])["signed"]
    assert dkim.verify(came.raw, dnsfunc=lambda name, timeout=5: record)
    assert not dkim.verify(came.raw + b"x\r\n", dnsfunc=lambda name, timeout=5: record)
