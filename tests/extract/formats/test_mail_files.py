"""Mail as files: what they say, to whom, and what is attached, is found."""

import base64
import binascii
import email.message
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailguard.extract.cage import Cage
from mailguard.extract.formats import encoded, finder, mailbox, message, outlook, secured, tnef
from mailguard.extract.formats._mapi import unpress
from mailguard.extract.found import Opened
from mailguard.extract.item import About, Feature, Item, Member, Miss, Text
from mailguard.extract.reading import read_file
from mailguard.testing.compound import Tree, compound

MARKER = "Bring the pineapple."
ROOM = About(room=10 << 20)


def texts(items: list[Item], where: str = "") -> str:
    return "\n".join(each.text for each in items if isinstance(each, Text) and each.where == where)


def members(items: list[Item]) -> dict[str, bytes]:
    return {item.name: item.data for item in items if isinstance(item, Member)}


def misses(items: list[Item]) -> list[str]:
    return [item.reason for item in items if isinstance(item, Miss)]


# ---- messages ------------------------------------------------------------------------------------


def letter(*, html: bool = False, inside: email.message.EmailMessage | None = None) -> bytes:
    return bytes(compose(html=html, inside=inside))


def compose(
    *, html: bool = False, inside: email.message.EmailMessage | None = None
) -> email.message.EmailMessage:
    made = email.message.EmailMessage()
    made["From"] = "Ana Plum <ana@elmpark.example>"
    made["To"] = "ben@elmpark.example"
    made["Subject"] = "A pear"
    made.set_content(MARKER)
    if html:
        made.add_alternative("<p>Or the <b>gooseberry</b>.</p>", subtype="html")
    made.add_attachment(b"a,b\n", maintype="text", subtype="csv", filename="pupils.csv")
    if inside:
        made.add_attachment(inside)
    return made


def test_a_message_file_shows_people_subject_bodies_and_files() -> None:
    items = list(message.read(letter(html=True), ROOM))

    assert texts(items, "subject") == "A pear"
    assert texts(items, "header") == "Ana Plum ana@elmpark.example\n ben@elmpark.example"
    assert MARKER in texts(items)
    assert "gooseberry" in texts(items)
    assert members(items) == {"pupils.csv": b"a,b\n"}
    assert misses(items) == []


def test_the_messages_inside_a_message_are_read_too() -> None:
    inner = email.message.EmailMessage()
    inner["Subject"] = "quince"
    inner.set_content("medlar")

    items = list(message.read(letter(inside=inner), ROOM))

    assert "quince" in texts(items)
    assert "medlar" in texts(items)


def test_the_charset_of_attached_text_is_not_lost() -> None:
    data = (
        b"Content-Type: text/plain; charset=koi8-r; name=a.txt\nContent-Disposition: attachment\n"
        b"Content-Transfer-Encoding: base64\n\n" + base64.b64encode("яблоко".encode("koi8-r"))
    )

    assert members(list(message.read(data, ROOM))) == {"a.txt": "\ufeffяблоко".encode()}


def test_an_encrypted_part_of_a_message_file_is_a_miss() -> None:
    data = b"Content-Type: application/pkcs7-mime; name=smime.p7m\n\nabc"

    assert "encrypted" in misses(list(message.read(data, ROOM)))


def test_an_apple_message_has_its_length_in_front() -> None:
    data = letter()
    items = list(message.read(b"%d      \n" % len(data) + data + b"<?xml?><plist/>", ROOM))

    assert MARKER in texts(items)
    assert "plist" not in texts(items)


def test_each_message_of_a_mailbox_is_read() -> None:
    data = b"".join(
        b"From ana@elmpark.example Mon Nov 23 09:00:00 2026\nSubject: n%d\n\n%s\n>From me\n\n"
        % (n, word)
        for n, word in enumerate((b"plum", MARKER.encode()))
    )

    reading = read_file(data, About(name="old.mbox"))

    assert [each.reader.split()[0] for each in reading.found if isinstance(each, Opened)] == [
        "mailbox",
        "message",
        "message",
    ]
    assert "plum\nFrom me" in reading.text
    assert MARKER in reading.text
    assert reading.misses == ()


def test_what_stands_before_the_first_message_of_a_mailbox_is_read() -> None:
    for data in (letter(), letter() + b"\n\nFrom ben\nSubject: plum\n\n"):
        files = members(list(mailbox.read(data, ROOM)))

        assert MARKER.encode() in files["1.eml"]


# ---- Outlook -------------------------------------------------------------------------------------


def stream(number: int, value: "str | bytes") -> tuple[str, bytes]:
    kind, content = (0x1F, value.encode("utf-16-le")) if isinstance(value, str) else (0x102, value)
    return f"__substg1.0_{number:04X}{kind:04X}", content


def msg(subject: str, body: str, **more: "bytes | Tree") -> Tree:
    return {
        "__properties_version1.0": bytes(32),
        **dict([stream(0x37, subject), stream(0x1000, body), stream(0xC1A, "Ana Plum")]),
        "__recip_version1.0_#00000000": dict([stream(0x3003, "ben@elmpark.example")]),
        **more,
    }


# "{\rtf1\ansi\ansicpg1252\pard hello world}", the example of MS-OXRTFCP §4.1.1.
PRESSED = bytes.fromhex(
    "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
)


def test_an_outlook_message_shows_people_subject_bodies_and_files() -> None:
    file = dict([stream(0x3707, "pupils.csv"), stream(0x3701, b"a,b\n")])
    data = compound(
        msg(
            "A pear",
            MARKER,
            **dict([stream(0x1013, b"<p>gooseberry"), stream(0x1009, PRESSED)]),
            **dict([stream(0x8005, "the orchard")]),
            **{"__attach_version1.0_#00000000": file},
        )
    )

    items = list(outlook.read(data, ROOM))

    assert (texts(items, "subject"), texts(items)) == ("A pear", MARKER)
    assert "Ana Plum" in texts(items, "header")
    assert "ben@elmpark.example" in texts(items, "header")
    assert "the orchard" in texts(items, "properties")
    assert members(items)["pupils.csv"].rstrip(b"\0") == b"a,b\n"
    assert members(items)["body.html"].startswith(b"<p>gooseberry")
    assert b"hello world" in members(items)["body.rtf"]
    assert misses(items) == []
    assert read_file(data, About(name="x.msg")).found[0].reader == "outlook"


def test_an_outlook_message_inside_another_is_read() -> None:
    inner: Tree = {"__substg1.0_3701000D": msg("quince", "medlar")}
    for _ in range(3):
        inner = {
            "__substg1.0_3701000D": msg(
                "more", "and more", **{"__attach_version1.0_#00000000": inner}
            )
        }

    items = list(outlook.read(compound(msg("A", "B", **{"__attach_version1.0_#00": inner})), ROOM))

    assert "quince" in texts(items, "subject")
    assert "medlar" in texts(items)
    assert misses(items) == []


def test_old_outlook_text_is_read_in_its_code_page() -> None:
    fixed = bytes(32) + b"\x03\x00\xfd\x3f" + bytes(4) + struct.pack("<I", 1251) + bytes(4)
    data = compound(
        {
            "__properties_version1.0": fixed,
            "__substg1.0_1000001E": "яблоко и груша".encode("cp1251"),
        }
    )

    assert texts(list(outlook.read(data, ROOM))) == "яблоко и груша"


def test_a_plain_message_that_is_called_msg_is_read() -> None:
    items = list(outlook.read(letter(), ROOM))

    assert MARKER in texts(items)
    assert misses(items) == []


def test_pressed_rtf_is_unpressed() -> None:
    assert unpress(PRESSED) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    plain = struct.pack("<IIII", 24, 12, 0x414C454D, 0) + b"{\\rtf1 plum}"
    assert unpress(plain) == b"{\\rtf1 plum}"


def test_repeats_that_reach_into_themselves_are_unpressed() -> None:
    # "a", then 17 bytes from one before: 207 is where the dictionary ends.
    pressed = struct.pack("<IIII", 0, 18, 0x75465A4C, 0) + b"\2a" + struct.pack(">H", 207 << 4 | 15)

    assert unpress(pressed) == b"a" * 18


def attribute(level: int, number: int, value: bytes) -> bytes:
    return struct.pack("<BHHI", level, number, 2, len(value)) + value + b"\0\0"


def mapi(*properties: tuple[int, int, bytes]) -> bytes:
    out = struct.pack("<I", len(properties))
    for kind, number, value in properties:
        out += struct.pack("<HH", kind, number)
        if number >= 0x8000:
            out += bytes(16) + struct.pack("<II", 1, 4) + b"a\0\0\0"
        if kind == 3:
            out += value
        else:
            out += struct.pack("<II", 1, len(value)) + value + bytes(-len(value) % 4)
    return out


def winmail(*attributes: bytes) -> bytes:
    return b"\x78\x9f\x3e\x22\1\0" + b"".join(attributes)


def test_winmail_dat_shows_subject_bodies_and_files() -> None:
    inner = winmail(attribute(1, 0x8004, b"quince\0"))
    data = winmail(
        attribute(1, 0x9007, struct.pack("<II", 1252, 0)),
        attribute(1, 0x8004, "A pear à la crème\0".encode("cp1252")),
        attribute(
            1,
            0x9003,
            mapi(
                (3, 0x17, bytes(4)),
                (0x1F, 0x8005, "the orchard".encode("utf-16-le")),
                (0x102, 0x1009, PRESSED),
                (0x1F, 0x1000, MARKER.encode("utf-16-le")),
            ),
        ),
        attribute(2, 0x9002, bytes(14)),
        attribute(2, 0x8010, b"PUPILS~1.CSV\0"),
        attribute(2, 0x800F, b"a,b\n"),
        attribute(2, 0x9005, mapi((0x1E, 0x3707, b"pupils of 4b.csv\0"))),
        attribute(2, 0x9002, bytes(14)),
        attribute(2, 0x8010, b"a message\0"),
        attribute(2, 0x9005, mapi((0x0D, 0x3701, bytes(16) + inner))),
    )

    items = list(tnef.read(data, ROOM))

    assert texts(items, "subject") == "A pear à la crème"
    assert texts(items) == MARKER
    assert texts(items, "properties") == "the orchard"
    files = members(items)
    assert b"hello world" in files.pop("body.rtf")
    assert files == {"pupils of 4b.csv": b"a,b\n", "a message": inner}
    assert misses(items) == []
    assert "quince" in read_file(data, About(name="winmail.dat")).text


def test_a_broken_property_does_not_hide_the_files_behind_it() -> None:
    data = winmail(
        attribute(1, 0x9003, mapi((0x1F, 0x1000, MARKER.encode("utf-16-le")), (0x77, 0x1, b"?"))),
        attribute(2, 0x9002, bytes(14)),
        attribute(2, 0x8010, b"fruit.txt\0"),
        attribute(2, 0x800F, b"plum"),
    )

    items = list(tnef.read(data, ROOM))

    assert texts(items) == MARKER
    assert members(items) == {"fruit.txt": b"plum"}
    assert misses(items) == ["broken"]


# ---- files written as text -----------------------------------------------------------------------


def uuencoded(content: bytes) -> bytes:
    lines = (binascii.b2a_uu(content[at : at + 45]) for at in range(0, len(content), 45))
    return b"begin 644 fruit.txt\n" + b"".join(lines) + b"`\nend\n"


def yencoded(content: bytes) -> bytes:
    body = b"".join(
        b"=" + bytes(((byte + 106) % 256,))
        if (byte + 42) % 256 in (0, 10, 13, 61)
        else bytes(((byte + 42) % 256,))
        for byte in content
    )
    lines = b"\r\n".join(body[at : at + 128] for at in range(0, len(body), 128))
    return b"=ybegin line=128 size=%d name=fruit.txt\r\n%s\r\n=yend size=1\r\n" % (
        len(content),
        lines,
    )


def binhexed(content: bytes, packed: bytes | None = None) -> bytes:
    head = b"\x09fruit.txt\0TEXTttxt\0\0" + struct.pack(">II", len(content), 0) + b"\0\0"
    packed = head + (content if packed is None else packed) + b"\0\0\0\0"
    letters = (
        base64.b64encode(packed)
        .rstrip(b"=")
        .translate(bytes.maketrans(encoded._BASE64, encoded._BINHEX))
    )
    lines = b"\n".join(letters[at : at + 63] for at in range(0, len(letters), 63))
    return b"(This file must be converted with BinHex 4.0)\n\n:" + lines + b":\n"


CONTENT = MARKER.encode() * 9


@pytest.mark.parametrize("encode", [uuencoded, yencoded, binhexed])
def test_files_in_text_are_found_and_so_is_the_text(encode: "type[bytes]") -> None:
    data = b"Here is the quince:\n" + encode(CONTENT) + b"and here the medlar.\n"

    items = list(encoded.read(data, ROOM))

    assert members(items) == {"fruit.txt": CONTENT}
    assert "quince" in texts(items)
    assert "medlar" in texts(items)
    assert misses(items) == []
    assert read_file(data, About(name="note")).found[0].reader == "encoded"


def test_lines_that_a_program_broke_do_not_end_a_uuencoded_file() -> None:
    lines = uuencoded(CONTENT).split(b"\n")
    lines[2] = lines[2][:9] + b"\xa5" + lines[2][10:]
    lines[3] = lines[3][:-1].rstrip()

    (item, *_) = encoded.read(b"\n".join(lines), ROOM)

    assert isinstance(item, Member)
    assert item.data.startswith(CONTENT[:45])
    assert item.data.endswith(CONTENT[135:])


def test_run_lengths_of_binhex_stay_inside_the_room() -> None:
    data = binhexed(bytes(1 << 20), b"a" + b"\x90\xff" * 30_000)

    (item, miss) = encoded.read(data, About(room=1 << 20))

    assert isinstance(item, Member)
    assert len(item.data) < 1 << 20
    assert isinstance(miss, Miss)


def test_base64_between_lines_is_a_file() -> None:
    data = b"begin-base64 644 fruit.txt\n" + base64.encodebytes(CONTENT) + b"====\n"

    assert members(list(encoded.read(data, ROOM))) == {"fruit.txt": CONTENT}


def test_a_sentence_that_begins_with_begin_stays_text() -> None:
    data = b"begin 100 metres from the gate\nand run to the pineapple.\n"

    assert texts(list(encoded.read(data, ROOM))) == data.decode()


# ---- signed and encrypted ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("key")
    made = "req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -days 9 -subj /CN=ana"
    subprocess.run(["openssl", *made.split()], cwd=folder, check=True, capture_output=True)
    return folder


def openssl(folder: Path, *arguments: str) -> bytes:
    return subprocess.run(
        ["openssl", "cms", *arguments], cwd=folder, input=MAIL, capture_output=True, check=True
    ).stdout


MAIL = b"Subject: fruit\r\n\r\nBring the pineapple.\r\n"
SIGN = ("-sign", "-signer", "cert", "-inkey", "key", "-binary")


@pytest.mark.parametrize(
    "how",
    [
        ("-nodetach", "-outform", "DER"),
        ("-nodetach", "-stream", "-outform", "DER"),
        ("-nodetach", "-outform", "PEM"),
    ],
)
def test_what_is_only_signed_is_read(key: Path, how: tuple[str, ...]) -> None:
    data = openssl(key, *SIGN, "-nodetach", *how)

    assert members(list(secured.read(data, ROOM))) == {"signed.eml": MAIL}
    assert "pineapple" in read_file(data, About(name="smime.p7m")).text


def test_signed_mail_is_known_by_its_content(key: Path) -> None:
    data = openssl(key, *SIGN, "-nodetach", "-outform", "DER")

    assert "pineapple" in read_file(data, About(name="letter")).text


def test_a_signature_alone_has_no_content(key: Path) -> None:
    assert list(secured.read(openssl(key, *SIGN, "-outform", "DER"), ROOM)) == [Feature("empty")]


def test_what_is_encrypted_is_a_miss(key: Path) -> None:
    mail = openssl(key, "-encrypt", "-outform", "DER", "cert")
    store = bytes.fromhex("3080020103308006092a864886f70d010701")

    for data in (mail, store):
        assert list(secured.read(data, ROOM)) == [Miss("encrypted")]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"-----BEGIN PGP MESSAGE-----\n\nhQEM\n-----END PGP MESSAGE-----\n", ["encrypted"]),
        (bytes.fromhex("85010c03aabbccdd"), ["encrypted"]),
        (bytes.fromhex("8c0d0409030213d4b1"), ["encrypted"]),
        (bytes.fromhex("a30102"), ["format"]),
        (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nhQEM\n", []),
        (bytes.fromhex("8901"), []),
    ],
)
def test_openpgp_is_told_by_its_first_packet(data: bytes, expected: list[str]) -> None:
    assert misses(list(secured.read(data, ROOM))) == expected


def test_a_clear_signed_text_is_read() -> None:
    data = b"-----BEGIN PGP SIGNED MESSAGE-----\n\nBring the pineapple.\n"
    data += b"-----BEGIN PGP SIGNATURE-----\n\nabc\n"
    items = list(secured.read(data, ROOM))

    assert MARKER in texts(items)
    assert misses(items) == []


# ---- macOS ---------------------------------------------------------------------------------------


def test_what_macos_adds_to_archives_is_read() -> None:
    info = b"Mac OS X        ATTR" + bytes(40) + b"https://orchard.example/pineapple"
    data = struct.pack(">II16xH", 0x00051607, 0x20000, 2)
    data += struct.pack(">III", 9, 50, len(info)) + struct.pack(">III", 2, 50 + len(info), 286)
    data += info + bytes(286)

    reading = read_file(data, About(name="__MACOSX/._letter.docx"))

    assert "https://orchard.example/pineapple" in reading.text
    store = b"\0\0\0\1Bud1" + bytes(30) + "pupils.csv".encode("utf-16-be")
    assert "pupils.csv" in texts(list(finder.read(store, ROOM)), "properties")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.eml", letter()),
        ("a.mbox", b"From a\nSubject: b\n\n" + CONTENT),
        ("a.msg", compound(msg("a", MARKER))),
        ("winmail.dat", winmail(attribute(1, 0x800C, CONTENT))),
        ("a.uu", uuencoded(CONTENT)),
        ("a.hqx", binhexed(CONTENT)),
        ("a.yenc", yencoded(CONTENT)),
    ],
)
def test_every_format_is_read_in_the_cage(name: str, data: bytes, cage: Cage) -> None:
    reading = cage.read(data, About(name=name))

    assert MARKER in reading.text
    assert reading.misses == ()


# ---- broken --------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(
        [
            (tnef, winmail(attribute(1, 0x9003, mapi((0x1F, 0x1000, b"a\0"))))),
            (outlook, compound(msg("a", "b"))),
            (encoded, binhexed(b"abc")),
            (encoded, uuencoded(b"abc") + yencoded(b"abc")),
            (message, letter()),
            (mailbox, b"From a\n\nb\n\nFrom c\n"),
            (secured, bytes.fromhex("308006092a864886f70d010702a080308002010131003080")),
            (finder, struct.pack(">II16xHIII", 0x00051607, 0x20000, 1, 9, 38, 3)),
        ]
    ),
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=6),
    st.integers(0, 9000),
)
def test_no_broken_file_does_more_than_miss(
    sample: tuple[object, bytes], changes: list[tuple[int, int]], length: int
) -> None:
    module, data = sample
    broken = bytearray(data)
    for at, value in changes:
        broken[at % len(broken)] = value

    reading = read_file(bytes(broken[: length + 1]), About(name=f"x{module.NAMES[0]}"))  # type: ignore[attr-defined]

    assert all(miss != "timeout" for miss in reading.misses)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_pressed_rtf_of_any_bytes_ends(data: bytes) -> None:
    assert len(unpress(struct.pack("<IIII", 0, 0, 0x75465A4C, 0) + data)) <= 9 * len(data)
