"""What a fuzzer begins with: inputs that get far into each target."""

from collections.abc import Mapping

from mailguard.testing import mail
from mailguard.testing.files import FILES, IN_C, IN_PYTHON

_SESSION = (
    b"EHLO client.example\r\nXFORWARD NAME=pc.example ADDR=192.0.2.7 PROTO=ESMTP\r\n"
    b"MAIL FROM:<ana@elmpark.example> SIZE=10 BODY=8BITMIME RET=HDRS ENVID=a\r\n"
    b"RCPT TO:<ben@elmpark.example> NOTIFY=NEVER ORCPT=rfc822;ben@elmpark.example\r\n"
)
_PARTS = (
    b"From: a@b.example\r\nSubject: =?utf-8?q?=C3=A9?=\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n--x\r\nContent-Type: text/html;\r\n'
    b" charset*=utf-8''utf-16\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+aGk8L2I+\r\n--x\r\n"
    b"Content-Type: message/rfc822\r\n\r\nSubject: b\r\n\r\nc\r\n--x\r\nContent-Disposition:"
    b" attachment; filename*0*=a%2; filename*1=.exe\r\nContent-Transfer-Encoding:"
    b" quoted-printable\r\n\r\n=41=\r\n--x--\r\n"
)

SAMPLES: Mapping[str, tuple[bytes, ...]] = {
    "smtp_session": (
        _SESSION + b"DATA\r\nSubject: a\r\n\r\n..\r\n.\r\nRSET\r\nNOOP\r\nQUIT\r\n",
        _SESSION + b"DATA\r\na\n.\r\nMAIL FROM:<x@y.example>\r\n.\r\nVRFY a\r\n",
        _SESSION + b"DATA\r\n" + b"x" * 2100 + b"\r\n.\r\nQUIT\r\n",
        b"HELO a\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\n.\r\nHELP\r\nGET / HTTP/1\r\n",
        b"EHLO a\r\nXCLIENT ADDR=192.0.2.1 LOGIN=ana\r\nEHLO b\r\nSTARTTLS\r\nAUTH PLAIN =\r\n",
        b'MAIL FROM:<"a b"@[IPv6:::1]>\r\nRCPT TO:<@a,@b:c%d@elmpark.example>\r\nLHLO a\r\nNOOP\n',
        b"EHLO a\r\nMAIL FROM:<a@b.example> SIZE=99999999999 SMTPUTF8\r\n" + b"\r\n" * 6,
        b"EHLO " + b"a" * 5000 + b"\r\n",
    ),
    "data_reader": (
        b"a\r\n..b\r\n.\r\nQUIT\r\n",
        b"a\n.\r\nb\r.\r\nc\r\n\r.\r\n\r\r\n.\r\n",
        b".\r\n",
        b"\x00\xff\r\n.\r\r\n.\n.\r\n.\r\n.",
    ),
    "reply_reader": (
        b"250-a.example\r\n250-SIZE 1\r\n250 DSN\r\n354 Go\r\n",
        b"220\r\n250 ok\n451-\xff\r\n451 b\r\n",
        b"250-a\r\n" * 101,
        b"250 " + b"a" * 70_000,
    ),
    "introductions": (
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\nEHLO a\r\n",
        b"PROXY TCP6 2001:db8::1 ::1 65535 25\r\n",
        b"PROXY UNKNOWN\r\n",
        b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x00\x01\x00\x19",
        b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00",
        b"\r\n\r\n\x00\r\nQUIT\n\x21\x21\x00\x24" + bytes(36),
        b"NAME=pc.example ADDR=IPV6:2001:db8::1 PORT=25 PROTO=ESMTP HELO=a+2Bb SOURCE=LOCAL",
        b"LOGIN=ana ADDR=192.0.2.7 DESTADDR=192.0.2.8 DESTPORT=25 NAME=[UNAVAILABLE]",
        b'<@a.example,@b.example:"c\\"d"@[192.0.2.1]> SIZE=1 BODY=8BITMIME',
        b" ana@elmpark.example ",
    ),
    "milter": (
        b"\xfe".join(
            (
                b"O\x00\x00\x00\x06\x00\x00\x01\xff\x00\x1f\xff\xff",
                b"DCj\x00mx.example\x00{client_addr}\x00192.0.2.7\x00",
                b"Cpc.example\x004\x00\x19192.0.2.7\x00",
                b"Hclient.example\x00",
                b"DMi\x00ABC\x00{auth_authen}\x00ana\x00",
                b"M<ana@elmpark.example>\x00SIZE=5\x00",
                b"R<ben@elmpark.example>\x00",
                b"T",
                b"LSubject\x00 hello\x00",
                b"N",
                b"Bbody\r\n",
                b"E",
                b"A",
                b"K",
                b"Cunknown\x00U",
                b"Q",
            )
        ),
        b"\x00\x00\x00\x0dO\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01Q",
        b"\x00\x00\x00\x00",
    ),
    "message": (
        mail("Hello"),
        _PARTS,
        b"",
        b"\r\n\r\n",
        b"Content-Type: text/html\n\n<a<b>&#x41;<!--",
    ),
    "fold": (
        "I ｗ１ｌｌ k\u200bі\u00adl\u0336l  уоu … ⑽ ½".encode(),
        "k.i.l.l. y o u\nuoy llik\u202e 🔪 b4nanaaaa st_ab 1".encode(),
        b"sk\xed\xa0\x80ill\x00\x85",
    ),
    "look": (
        *(mail("Hello"), _PARTS),
        _PARTS.replace(b"PGI+aGk8L2I+", b"PGI+aGk8L2I+PHAgaGlkZGVuPng8L3A+"),
        mail("> a\n> b\n\n-- \nAna\n\nOn Monday Ben wrote:\n> c"),
        mail(
            "<p>I w<b style='display:none'>x</b>ill<blockquote>a</blockquote><!-- b -->",
            content_type="text/html; charset=utf-8",
        ),
    ),
    "any_file": tuple(
        b"a." + name.encode() + b"\n" + content
        for name, contents in FILES.items()
        for content in contents
        if len(content) < 5000
    ),
    "readers_in_python": tuple(
        bytes((IN_PYTHON.index(name),)) + content
        for name in IN_PYTHON
        for content in FILES[name]
        if len(content) < 5000
    ),
    "readers_in_c": tuple(
        bytes((IN_C.index(name),)) + content for name in IN_C for content in FILES[name]
    ),
}
