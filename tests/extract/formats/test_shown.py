"""What pictures show, read in the cage by the real engines: words, codes, and what is not read."""

import lzma
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image, ImageDraw, ImageFont

from mailguard.extract.cage import Cage
from mailguard.extract.found import Limits, Piece, Reading
from mailguard.extract.item import About, Member, Miss
from mailguard.extract.office.blip import drawings_of, read_pictures
from mailguard.extract.office.zipped import zipped
from mailguard.extract.pictures import sight
from mailguard.extract.reading import read_file

MARKER = "Meet me behind the greenhouse"
LINK = "https://orchard.example/pineapple"
SAMPLES = Path(__file__).parent / "samples" / "pictures"
FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf"


@pytest.fixture(scope="module")
def seeing() -> Iterator[Cage]:
    cage = Cage(Limits(seconds=20, pictures=15))
    yield cage
    cage.close()


@pytest.fixture
def cage(seeing: Cage) -> Cage:
    """Its processes have the time of a message of their own for each test."""
    seeing.renew()
    return seeing


def drawn(text: str = MARKER, *, ground: str = "white", ink: str = "black") -> Image.Image:
    picture = Image.new("RGB", (620, 90), ground)
    ImageDraw.Draw(picture).text((20, 30), text, font=ImageFont.truetype(FONT, 28), fill=ink)
    return picture


def saved(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def code() -> Image.Image:
    made = zxingcpp.create_barcode(LINK, zxingcpp.BarcodeFormat.QRCode)
    return Image.fromarray(zxingcpp.write_barcode_to_image(made, scale=4)).convert("L")


def upside_down() -> bytes:
    return saved(drawn().transpose(Image.Transpose.ROTATE_180))


def on_a_photograph() -> bytes:
    """White letters with a black rim over a scene of many shades."""
    scene = Image.effect_noise((40, 30), 90).resize((800, 600), Image.Resampling.BICUBIC)
    picture = scene.point([40 + shade * 2 // 3 for shade in range(256)])
    ImageDraw.Draw(picture).text(
        (20, 20), MARKER, font=ImageFont.truetype(FONT, 40), fill=255, stroke_width=3, stroke_fill=0
    )
    return saved(picture)


def seen_through() -> bytes:
    """White letters on nothing: seen only by who has a dark ground."""
    picture = Image.new("RGBA", (620, 90), (255, 255, 255, 0))
    ImageDraw.Draw(picture).text(
        (20, 30), MARKER, font=ImageFont.truetype(FONT, 28), fill=(255, 255, 255, 255)
    )
    return saved(picture)


def turned_by_exif() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 3
    return saved(drawn().transpose(Image.Transpose.ROTATE_180), "JPEG", exif=exif)


def bomb(side: int) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    packer = zlib.compressobj(1)
    rows = [packer.compress(bytes(1 + side // 8 + 1)) for _ in range(min(side, 8100))]
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + head
        + chunk(b"IDAT", b"".join(rows) + packer.flush())
        + chunk(b"IEND", b"")
    )


def scan(picture: Image.Image, text: str = "") -> bytes:
    """A PDF of one page that is a picture, and perhaps has a line of text."""
    packed = saved(picture, "JPEG", quality=95)
    height = 480 * picture.height // picture.width
    content = f"q 480 0 0 {height} 10 20 cm /P Do Q BT /F 9 Tf 9 9 Td ({text}) Tj ET".encode()
    wide, high = picture.size
    kind = f"/Type/XObject/Subtype/Image/Width {wide}/Height {high}/BitsPerComponent 8"
    more = "/ColorSpace/DeviceRGB/Filter/DCTDecode"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 500 520]/Contents 4 0 R/Resources<</Font"
        b"<</F 5 0 R>>/XObject<</P 6 0 R>>>>>>",
        b"<</Length %d>>stream\n%b\nendstream" % (len(content), content),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        f"<<{kind}{more}/Length {len(packed)}>>stream\n".encode() + packed + b"\nendstream",
    ]
    body = b"".join(b"%d 0 obj%b\nendobj\n" % each for each in enumerate(objects, start=1))
    return b"%PDF-1.7\n" + body + b"trailer<</Root 1 0 R/Size 7>>\n%%EOF\n"


def letter() -> bytes:
    return zipped(
        {
            "[Content_Types].xml": "<Types/>",
            "word/document.xml": '<w:document xmlns:w="http://schemas.openxmlformats.org/'
            'wordprocessingml/2006/main"><w:body/></w:document>',
            "word/media/image1.png": saved(drawn()),
        }
    )


def where(reading: Reading, text: str) -> set[str]:
    return {each.where for each in reading.found if isinstance(each, Piece) and text in each.text}


@pytest.mark.parametrize(
    ("data", "place"),
    [
        pytest.param(saved(drawn()), "the picture", id="PNG"),
        pytest.param(saved(drawn(), "JPEG"), "the picture", id="JPEG"),
        pytest.param(saved(drawn(), "GIF"), "the picture", id="GIF"),
        pytest.param(saved(drawn(), "WEBP"), "the picture", id="WebP"),
        pytest.param(saved(drawn(), "BMP"), "the picture", id="BMP"),
        pytest.param(saved(drawn(), "AVIF"), "the picture", id="AVIF"),
        pytest.param(saved(drawn(), "JPEG2000"), "the picture", id="JPEG 2000"),
        pytest.param(
            saved(drawn().convert("1"), "TIFF", compression="group4"), "the picture", id="fax"
        ),
        pytest.param(
            saved(drawn("Nothing"), "TIFF", save_all=True, append_images=[drawn()]),
            "the picture",
            id="second page",
        ),
        pytest.param(
            saved(drawn("Nothing"), "MPO", save_all=True, append_images=[drawn()]),
            "the picture",
            id="second picture of a camera's",
        ),
        pytest.param(upside_down(), "the picture", id="upside down"),
        pytest.param(
            saved(drawn().transpose(Image.Transpose.ROTATE_90)), "the picture", id="upwards"
        ),
        pytest.param(turned_by_exif(), "the picture", id="turned by Exif"),
        pytest.param(on_a_photograph(), "the picture", id="on a photograph"),
        pytest.param(seen_through(), "the picture", id="on nothing"),
        pytest.param(
            saved(drawn(ground="#202020", ink="white")), "the picture", id="light on dark"
        ),
        pytest.param(scan(drawn()), "page 1", id="scanned page"),
        pytest.param(scan(drawn(), "a line of text"), "page 1", id="scanned page with text"),
        pytest.param(letter(), "the picture", id="in a letter"),
    ],
)
def test_words_in_a_picture_are_text_and_the_picture_is_read(
    cage: Cage, data: bytes, place: str
) -> None:
    reading = cage.read(data, About(name="it"))

    assert where(reading, MARKER) == {f"text in {place}"}
    assert reading.misses == ()


@pytest.mark.parametrize(
    ("data", "place"),
    [
        pytest.param(saved(code()), "the picture", id="picture"),
        pytest.param(scan(code().convert("RGB"), "a line of text"), "page 1", id="page"),
    ],
)
def test_the_link_in_a_code_is_text(cage: Cage, data: bytes, place: str) -> None:
    reading = cage.read(data, About(name="it"))

    assert where(reading, LINK) == {f"code in {place}"}


OLD = ("picture.doc", "picture.xls", "picture.ppt.xz")


def old(name: str) -> tuple[bytes, About]:
    data = (SAMPLES / name).read_bytes()
    if name.endswith(".xz"):
        return lzma.decompress(data), About(name=name.removesuffix(".xz"))
    return data, About(name=name)


@pytest.mark.parametrize("name", OLD)
def test_words_in_a_picture_in_an_old_office_file_are_text(cage: Cage, name: str) -> None:
    reading = cage.read(*old(name))

    assert "the otter naps here" in reading.text
    assert reading.misses == ()


@pytest.mark.parametrize("name", OLD)
def test_a_picture_in_an_old_office_file_is_a_miss_where_pictures_are_not_read(name: str) -> None:
    assert read_file(*old(name)).misses == ("image",)


def test_a_picture_in_pieces_and_a_drawing_are_seen() -> None:
    picture = saved(drawn())
    record = struct.pack("<HHI", 0x6E00, 0xF01E, 17 + len(picture)) + bytes(17) + picture
    record += struct.pack("<HHI", 0x3D40, 0xF01A, 100) + bytes(100)
    pieces = [record[at : at + 99] for at in range(0, len(record), 99)]
    book = struct.pack("<HH2s", 0x0809, 2, b"ab")
    for number, piece in enumerate(pieces):
        book += struct.pack("<HH", 0x3C if number else 0xEB, len(piece)) + piece

    assert list(read_pictures(drawings_of(book))) == [
        Member("picture 1", picture, "image/png"),
        Miss("image"),
    ]


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(Image.linear_gradient("L"), id="photograph"),
        pytest.param(Image.new("L", (300, 300), 90), id="one colour"),
        pytest.param(Image.new("L", (1, 1)), id="dot"),
    ],
)
def test_a_picture_without_words_is_read_and_is_no_text(cage: Cage, picture: Image.Image) -> None:
    reading = cage.read(saved(picture), About(name="a.png"))

    assert (reading.text, reading.misses) == ("", ())
    assert "empty" in reading.features


def test_an_i_without_serifs_is_no_bar(cage: Cage) -> None:
    reading = cage.read(saved(drawn("I know where I planted it")), About(name="a.png"))

    assert where(reading, "I know where I planted it")


@pytest.mark.parametrize("side", [8100, 30_000])
def test_a_picture_that_is_a_bomb_is_not_decoded(cage: Cage, side: int) -> None:
    reading = cage.read(bomb(side), About(name="a.png"))

    assert reading.misses == ("image",)


def test_what_is_left_of_a_picture_is_read_and_is_a_miss(cage: Cage) -> None:
    picture = Image.new("RGB", (620, 500), "white")
    picture.paste(drawn(), (0, 20))
    picture.paste(Image.effect_noise((620, 100), 60).convert("RGB"), (0, 400))
    whole = saved(picture, "JPEG")

    reading = cage.read(whole[: len(whole) * 9 // 10], About(name="a.jpg"))

    assert where(reading, MARKER)
    assert reading.misses == ("image",)


def test_more_frames_than_are_looked_at_are_a_miss(cage: Cage) -> None:
    pictures = [Image.new("L", (40, 40), shade) for shade in range(12)]
    data = saved(pictures[0], "TIFF", save_all=True, append_images=pictures[1:])

    assert cage.read(data, About(name="a.tif")).misses == ("image",)


def test_a_drawn_page_without_text_is_a_miss_where_pictures_are_not_read() -> None:
    lines = scan(drawn()).replace(b"/P Do", b"0 0 m 9 9 l S")

    assert read_file(lines, About(name="a.pdf")).misses == ("image",)
    assert read_file(scan(drawn()), About(name="a.pdf")).misses == ("image",)


def test_a_picture_is_a_miss_where_its_time_is_over() -> None:
    reading = read_file(saved(drawn()), About(name="a.png"), Limits(pictures=0.0001))

    assert reading.misses == ("image",)


def test_without_a_model_it_is_told_and_the_picture_is_a_miss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    why = sight.load_sight(tmp_path)

    monkeypatch.setattr(sight, "load_sight", lambda: why)
    assert isinstance(why, str) and sight.MODEL in why
    assert list(sight.show_file(saved(drawn()), 5.0)) == [Miss("image")]
    assert sight.warm_sight() == why


def test_a_model_that_is_none_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "usr/share/tessdata"
    folder.mkdir(parents=True)
    (folder / sight.MODEL).write_bytes(b"no model")

    assert "cannot be loaded" in str(sight.load_sight(tmp_path))
