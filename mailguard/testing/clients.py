"""Real mail clients for tests. Each sends letters and returns what it was told, by their names."""

import base64
import json
import os
import shutil
import smtplib
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from mailguard.testing.exim import UNPACKED
from mailguard.testing.letter import Letter

NODE_MODULES = UNPACKED / "usr/share/nodejs"
"""Where nodemailer is."""

Send = Callable[[int, Sequence[Letter]], dict[str, str]]
"""Send letters to a port of loopback: the reply to each, or what the client made of it."""


def send_with_smtplib(port: int, letters: Sequence[Letter]) -> dict[str, str]:
    """Python's own client: one connection, every parameter as the letter has it."""
    said = {}
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        client.command_encoding = "utf-8"
        client.ehlo("client.example")
        for letter in letters:
            code, text = client.mail(letter.sender, letter.mail_parameters)
            if code == 250:
                code, text = client.rcpt(letter.to, letter.rcpt_parameters)
            if code == 250:
                code, text = client.data(letter.raw)
            else:
                client.rset()
            said[letter.name] = f"{code} {text.decode()}"
    return said


def send_with_curl(port: int, letters: Sequence[Letter]) -> dict[str, str]:
    """curl: one connection. It adds SIZE and SMTPUTF8 by itself and knows no other parameter."""
    with tempfile.TemporaryDirectory() as folder:
        lines = []
        for number, letter in enumerate(letters):
            file = Path(folder, str(number))
            file.write_bytes(letter.raw)
            lines += [
                f'url = "smtp://127.0.0.1:{port}/client.example"',
                f"mail-from = {json.dumps(letter.sender, ensure_ascii=False)}",
                f"mail-rcpt = {json.dumps(letter.to, ensure_ascii=False)}",
                f'upload-file = "{file}"',
                'write-out = "%{response_code}\\n"',
                "max-time = 30",
                "silent",
                "next",
            ]
        done = _run(["curl", "--config", "-"], "\n".join(lines[:-1]).encode())
    return dict(zip((letter.name for letter in letters), done.stdout.split(), strict=True))


def send_with_swaks(port: int, letters: Sequence[Letter]) -> dict[str, str]:
    """swaks: a connection for each. It sends a file as it is, so dots are doubled here and the last
    one added; what it would do itself also ends every message with one more empty line."""
    said = {}
    for letter in letters:
        with tempfile.NamedTemporaryFile() as file:
            file.write((b"\r\n" + letter.raw).replace(b"\r\n.", b"\r\n..")[2:] + b".")
            file.flush()
            done = _run(
                [
                    *("swaks", "--server", f"127.0.0.1:{port}", "--helo", "client.example"),
                    *("--from", letter.sender or "<>", "--to", letter.to),
                    *("--data", f"@{file.name}", "--no-data-fixup"),
                ],
            )
        replies = [line for line in done.stdout.splitlines() if line.startswith("<")]
        # The last one answers QUIT.
        said[letter.name] = replies[-2].split(maxsplit=1)[1] if len(replies) > 1 else done.stderr
    return said


def send_with_nodemailer(port: int, letters: Sequence[Letter]) -> dict[str, str]:
    """nodemailer: one connection; RET, ENVID, NOTIFY and ORCPT go by its own names."""
    wanted = {
        "port": port,
        "letters": [
            {
                "name": letter.name,
                "sender": letter.sender,
                "to": letter.to,
                "raw": base64.b64encode(letter.raw).decode(),
                "dsn": _dsn(letter),
                "eight_bit": "BODY=8BITMIME" in letter.mail_parameters,
            }
            for letter in letters
        ],
    }
    script = Path(__file__).with_name("nodemailer.js")
    done = _run(["node", str(script)], json.dumps(wanted).encode())
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == len(letters), done.stderr
    return {line["name"]: line["said"] for line in lines}


def _dsn(letter: Letter) -> dict[str, object] | None:
    given = dict(
        word.split("=", 1)
        for word in (*letter.mail_parameters, *letter.rcpt_parameters)
        if "=" in word
    )
    if "RET" not in given:
        return None
    return {
        "return": "headers" if given["RET"] == "HDRS" else "full",
        # nodemailer writes xtext itself (RFC 3461 §4).
        "id": given["ENVID"].replace("+2B", "+"),
        "notify": given["NOTIFY"].lower().split(","),
        "recipient": given["ORCPT"].partition(";")[2],
    }


def _run(command: Sequence[str], given: bytes = b"") -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        command,
        input=given,
        capture_output=True,
        timeout=60,
        check=False,
        env={**os.environ, "NODE_PATH": str(NODE_MODULES)},
    )
    return subprocess.CompletedProcess(
        command, done.returncode, done.stdout.decode("latin-1"), done.stderr.decode("latin-1")
    )


def missing_clients() -> list[str]:
    """What `scripts/bootstrap --tests` would bring and is not there."""
    missing = [name for name in ("swaks", "curl", "node") if shutil.which(name) is None]
    return missing if (NODE_MODULES / "nodemailer").exists() else [*missing, "nodemailer"]
