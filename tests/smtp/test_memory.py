"""What one client can make the process hold, measured in a process of its own."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

CHILD = textwrap.dedent(
    """
    import asyncio, ipaddress, pathlib, re, sys
    import uvloop
    from mailguard.mail.envelope import Origin
    from mailguard.mail.reply import Reply
    from mailguard.scan.school import School
    from mailguard.smtp.limits import ListenerSettings
    from mailguard.smtp.server import RelayServer, listen
    from mailguard.testing.fakes import FakeClock

    class Anywhere:
        keywords = ()
        async def open(self, *_): return self
        async def mail(self, argument): return Reply.of(250, "Ok")
        async def rcpt(self, argument): return Reply.of(250, "Ok")
        async def close(self): pass

    async def receive(transaction, delivery):
        return (Reply.of(250, f"{transaction.raw.size} {transaction.raw.sha256}"),)

    async def has_room(): return True

    def peak():
        status = pathlib.Path("/proc/self/status").read_text()
        return int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]) << 10

    async def main(block, blocks):
        server = RelayServer(
            ListenerSettings(
                name="mail", origin=Origin.ANY, hostname="mg.example",
                school=School(name="", domains=frozenset()),
                clients=(ipaddress.ip_network("127.0.0.1"),), temporary=pathlib.Path(sys.argv[1]),
            ),
            receive=receive, next_hop=Anywhere(), clock=FakeClock(), has_room=has_room,
        )
        sock = listen("127.0.0.1", 0)
        await server.start([sock])
        reader, writer = await asyncio.open_connection(*sock.getsockname())
        for command in (b"HELO c", b"MAIL FROM:<>", b"RCPT TO:<a@b.example>", b"DATA"):
            writer.write(command + b"\\r\\n")
        for _ in range(5):
            await reader.readline()
        before = peak()
        for _ in range(blocks):
            writer.write(block)
            await writer.drain()
        writer.write(b"\\r\\n.\\r\\n")
        reply = (await reader.readline()).decode().split()
        print(reply[0], reply[1], peak() - before)

    uvloop.run(main(eval(sys.argv[2]), int(sys.argv[3])))
    """
)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's VmHWM")
@pytest.mark.parametrize(
    ("block", "megabytes", "reply"),
    [
        pytest.param(r"b'\r\n' * 32768", 49, "250", id="line ends only"),
        pytest.param("b'x' * 65536", 49, "250", id="one line"),
        pytest.param("b'x' * 65536", 60, "552", id="one line beyond the size limit"),
        pytest.param(r"b'..\r\n' * 16384", 60, "250", id="dots"),
    ],
)
def test_a_large_message_takes_no_memory_worth_mentioning(
    tmp_path: Path, block: str, megabytes: int, reply: str
) -> None:
    child = subprocess.run(
        [sys.executable, "-c", CHILD, tmp_path, block, str(megabytes * 16)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    )

    code, _, grown = child.stdout.splitlines()[-1].split()
    assert reply == code
    assert int(grown) < 32 << 20
