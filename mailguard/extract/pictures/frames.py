"""Pictures as shades of grey, by Pillow: bounded before anything is decoded, upright, on a ground.

Pillow's decoders are C, and a small file may ask for gigabytes: only for the cage.
"""

import hashlib
from collections.abc import Iterator
from io import BytesIO

from PIL import AvifImagePlugin, Image, ImageFile, MpoImagePlugin

KINDS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "JPEG2000")
"""Those that mail programs and browsers show. Pillow knows forty more, with more faults."""

PIXELS = 64_000_000
"""Of one picture, before it is decoded. A telephone's largest have 50 million; four bytes each,
twice, must fit into the memory of the cage."""

AREA = 6_000_000
"""Pixels that are looked at: a page of A4 with 240 dots an inch, a chat of eight screens. From
larger pictures every second pixel or so is left out."""

FRAMES = 8
"""Pages or frames of one picture. A fax has a few; of a film the first ones say what it is."""

TINY = 8
"""Pixels in height or width below which nothing can be written. Pictures that only report that a
mail was opened have one."""

_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes it upright, by the value of Exif's Orientation (Exif 2.32 §4.6.4)."""

_DEEP = ("I", "F")
_GROUNDS = (255, 0)
"""White and black: what is written in the colour of one ground stands out on the other."""

# Must: ours is the only cap, and no thread can be started in the cage.
Image.MAX_IMAGE_PIXELS = None
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
# Loaded otherwise when the first JPEG with several pictures comes, and then there are no files.
_LATE = (MpoImagePlugin,)


def samples() -> Iterator[bytes]:
    """A picture of each kind, for the libraries to load what they need for it."""
    exif = Image.Exif()
    exif[_ORIENTATION] = 6
    for kind in KINDS:
        file = BytesIO()
        Image.linear_gradient("L").convert("RGB").save(file, kind, exif=exif)
        yield file.getvalue()


class CannotShow(Exception):
    """Some of the picture cannot be decoded, or must not be."""


def frames(data: bytes) -> Iterator[Image.Image]:
    """Yield each frame in mode ``L``, at most :data:`AREA` large, none twice.

    Raises CannotShow after the last one that could be had, where that is not all there is.
    """
    shown: set[bytes] = set()
    try:
        yield from _unlike(_frames(data), shown)
    except CannotShow:
        raise
    except Exception:
        # A hostile file may make a decoder raise anything at all. What is cut off is shown by mail
        # programs as far as it goes.
        yield from _unlike(_forgiven(data), shown)
        raise CannotShow from None


def _unlike(pictures: Iterator[Image.Image], shown: set[bytes]) -> Iterator[Image.Image]:
    for picture in pictures:
        digest = hashlib.sha256(picture.tobytes()).digest()
        if digest not in shown:
            shown.add(digest)
            yield picture


def _forgiven(data: bytes) -> Iterator[Image.Image]:
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        yield from _frames(data)
    except Exception:
        return
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


def _frames(data: bytes) -> Iterator[Image.Image]:
    with Image.open(BytesIO(data), formats=KINDS) as image:
        number = 0
        while True:
            # Each frame has a size of its own.
            if image.width * image.height > PIXELS:
                raise CannotShow
            if min(image.size) >= TINY:
                yield from _grey(image)
            number += 1
            if number == FRAMES:
                break
            try:
                image.seek(number)
            except EOFError:
                return
        try:
            image.seek(number)
        except EOFError:
            return
        raise CannotShow


def _grey(image: Image.Image) -> Iterator[Image.Image]:
    scale = max(1, round((image.width * image.height / AREA) ** 0.5))
    # A JPEG need not be decoded at its full size.
    image.draft("L", (image.width // scale, image.height // scale))
    image.load()
    turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    has_alpha = image.has_transparency_data
    plain = _flatten(image, has_alpha=has_alpha)
    scale = max(1, int((plain.width * plain.height / AREA) ** 0.5))
    plain = plain.reduce(scale) if scale > 1 else plain
    if plain.width * plain.height > AREA:
        less = (AREA / (plain.width * plain.height)) ** 0.5
        size = max(1, int(plain.width * less)), max(1, int(plain.height * less))
        plain = plain.resize(size)
    if turn is not None:
        plain = plain.transpose(turn)
    if not has_alpha:
        yield plain.convert("L")
        return
    letters, alpha = plain.getchannel("L"), plain.getchannel("A")
    for ground in _GROUNDS:
        yield Image.composite(letters, Image.new("L", plain.size, ground), alpha)


def _flatten(image: Image.Image, *, has_alpha: bool) -> Image.Image:
    """`image` with one byte for the shade of each pixel, and one for how opaque it is."""
    if image.mode.startswith(_DEEP):
        low, high = image.getextrema()
        # Two numbers: such modes have one band.
        span = max(1.0, float(high) - float(low))  # type: ignore[arg-type]
        low = float(low)  # type: ignore[arg-type]
        return image.convert("F").point(lambda value: (value - low) * (255 / span)).convert("L")
    if not has_alpha:
        return image.convert("L")
    return image.convert("RGBA").convert("LA")
