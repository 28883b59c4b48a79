"""What `scan --explain` says of text that is disguised or hidden."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mailguard.testing import mail

Mailguard = Callable[..., Any]

PAGE = """
<p>I will k1ll<b style="display:none">banana</b> y.o.u</p>
<p><a href="https://elsewhere.example/a">your bank</a><img src="https://elsewhere.example/1.png"></p>
<div>-- </div><div>Ana Cole</div>
"""


def test_explain_shows_what_is_hidden_disguised_and_led_to(
    mailguard: Mailguard, tmp_path: Path
) -> None:
    file = tmp_path / "m.eml"
    file.write_bytes(mail(PAGE, content_type="text/html; charset=utf-8"))

    done = mailguard("scan", "--explain", str(file))

    shown = {line.strip() for line in done.out.splitlines()}
    assert shown >= {
        "'k1ll' is read as 'kill'",
        "'y.o.u' is read as 'you'",
        "hidden from the reader: 'banana'",
        "link 'your bank' leads to 'https://elsewhere.example/a'",
        "pictures: 1 from elsewhere, 0 in the message",
    }
    assert any(line.startswith("signature or disclaimer: '-- ") for line in shown)
    assert any(line.startswith("THREAT_HARM_INTENT") for line in shown)
