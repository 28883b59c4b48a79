"""Whole sessions as scripts: ``C:`` is sent, ``S:`` is how the next reply must begin."""

import re
from pathlib import Path
from typing import Any

import pytest

DIALOGS = sorted((Path(__file__).parent / "dialogs").glob("*.dlg"))


def unescape(text: str) -> bytes:
    r"""Only ``\xNN`` and ``\r``: what an editor would not keep."""
    raw = text.encode().replace(rb"\r", b"\r")
    return re.sub(rb"\\x([0-9a-f]{2})", lambda m: bytes([int(m[1], 16)]), raw)


@pytest.mark.parametrize("script", DIALOGS, ids=lambda path: path.stem)
async def test_session_goes_as_scripted(script: Path, start_relay: Any, connect: Any) -> None:
    text = script.read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    is_public = "# listener: public" in text
    relay = await start_relay(
        public=is_public,
        clients=("192.0.2.0/24",) if is_public else ("127.0.0.0/8",),
        is_lmtp="# listener: lmtp" in text,
    )
    await relay.next_hop.probe()
    client = await connect(relay)

    went = []
    for line in lines:
        if line.startswith("C:"):
            await client.send(unescape(line[3:]) + b"\r\n")
            went.append(line)
        else:
            reply = await client.reply()
            wanted = line.removeprefix("S: ")
            went.append(line if reply.startswith(wanted) else f"S: {reply}")

    assert lines == went
