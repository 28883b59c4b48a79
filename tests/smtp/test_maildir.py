"""The next hop for trying out."""

import asyncio
import smtplib
from pathlib import Path
from typing import Any

from mailguard.smtp.maildir import MaildirServer
from mailguard.smtp.nexthop import SmtpNextHop
from mailguard.smtp.server import listen
from mailguard.testing import mail
from mailguard.testing.fakes import FakeClock


async def test_mail_lands_in_the_maildir_exactly_as_relayed(
    start_relay: Any, connect: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "maildir"
    maildir = MaildirServer(folder, FakeClock())
    sock = listen("127.0.0.1", 0)
    await maildir.start([sock])
    hop = SmtpNextHop("127.0.0.1", sock.getsockname()[1], hostname="mg.example")
    await hop.probe()
    relay = await start_relay(next_hop=hop)
    client = await connect(relay)
    content = mail() + b".\r\n\xff\x00\r\n"

    await client.begin(b"<> RET=HDRS", b"<ben@elmpark.example> NOTIFY=NEVER")
    reply = await client.data(content)

    (delivered,) = maildir.delivered
    assert f"250 2.0.0 Ok: delivered as {delivered.file.name}" == reply
    assert content == delivered.file.read_bytes()
    assert [delivered.file] == list((folder / "new").iterdir())
    assert (
        delivered.sender.argument,
        [path.address for path in delivered.recipients],
    ) == (b"<> RET=HDRS", ["ben@elmpark.example"])
    assert {"SMTPUTF8", "DSN", "8BITMIME"} < set(hop.keywords)
    await hop.close()
    await maildir.stop()


async def test_pythons_own_client_is_served(tmp_path: Path) -> None:
    maildir = MaildirServer(tmp_path, FakeClock())
    sock = listen("127.0.0.1", 0)
    await maildir.start([sock])

    def send() -> dict[str, Any]:
        with smtplib.SMTP("127.0.0.1", sock.getsockname()[1], timeout=5) as client:
            return client.sendmail("ana@elmpark.example", ["ben@elmpark.example"], mail())

    refused = await asyncio.to_thread(send)

    assert (refused, len(maildir.delivered)) == ({}, 1)
    await maildir.stop()
