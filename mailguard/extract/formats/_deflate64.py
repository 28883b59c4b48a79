"""Inflates Deflate64 (APPNOTE 5.5), which Windows' own folders use for large files and no library
here knows: as deflate (RFC 1951), with a window of 64 KB and lengths up to 65,538."""

from functools import lru_cache

_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
_LONGEST_CODE = 15
_END = 256


def _steps(first: int, each: int, count: int, skip: int) -> tuple[tuple[int, int], ...]:
    """Where each code begins, and how many bits say how far behind: `each` codes of a kind."""
    steps, at = [], first
    for number in range(count):
        bits = max(0, number // each - skip)
        steps.append((at, bits))
        at += 1 << bits
    return tuple(steps)


_LENGTHS = (*_steps(3, 4, 28, 1), (3, 16))
_DISTANCES = _steps(1, 2, 32, 1)


class _Broken(Exception):
    """No code is what comes next, or nothing comes."""


class _Bits:
    """Bits from `at` on, the lowest of each byte first."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at
        self.held = self.count = 0

    def take(self, count: int) -> int:
        while self.count < count:
            if self.at >= len(self.data):
                raise _Broken
            self.held |= self.data[self.at] << self.count
            self.at += 1
            self.count += 8
        value = self.held & (1 << count) - 1
        self.held >>= count
        self.count -= count
        return value

    def code(self, table: dict[int, int]) -> int:
        """The next code; a table has its codes with a one in front."""
        code = 1
        for _ in range(_LONGEST_CODE):
            code = code << 1 | self.take(1)
            if (symbol := table.get(code)) is not None:
                return symbol
        raise _Broken

    def to_byte(self) -> None:
        """Leave out what is left of a byte, and give back whole ones."""
        self.at -= self.count // 8
        self.held = self.count = 0


def inflate64(data: bytes, at: int, limit: int) -> tuple[bytes, str, int]:
    """Inflate the stream at `at`: at most `limit` bytes, why that is not all, and where it ends."""
    bits = _Bits(data, at)
    out = bytearray()
    is_last = 0
    try:
        while not is_last and len(out) <= limit:
            is_last = bits.take(1)
            kind = bits.take(2)
            if kind == 0:
                bits.to_byte()
                size = bits.take(16)
                if bits.take(16) != size ^ 0xFFFF or bits.at + size > len(data):
                    raise _Broken
                out += data[bits.at : bits.at + size]
                bits.at += size
            elif kind == 1:
                _block(bits, out, limit, *_fixed())
            elif kind == 2:
                _block(bits, out, limit, *_tables(bits))
            else:
                raise _Broken
    except _Broken:
        return bytes(out[:limit]), "broken", bits.at
    bits.to_byte()
    return bytes(out[:limit]), "too_long" if len(out) > limit else "", bits.at


def _block(
    bits: _Bits, out: bytearray, limit: int, letters: dict[int, int], places: dict[int, int]
) -> None:
    """Letters, and pieces of what was there before."""
    while len(out) <= limit:
        symbol = bits.code(letters)
        if symbol < _END:
            out.append(symbol)
            continue
        if symbol == _END:
            return
        if symbol - _END > len(_LENGTHS):
            raise _Broken
        base, extra = _LENGTHS[symbol - _END - 1]
        length = base + bits.take(extra)
        base, extra = _DISTANCES[bits.code(places)]
        distance = base + bits.take(extra)
        if distance > len(out):
            raise _Broken
        piece = out[-distance : len(out) - distance + length]
        # It may reach into what it makes itself.
        out += piece if distance >= length else (piece * (length // distance + 1))[:length]


def _tables(bits: _Bits) -> tuple[dict[int, int], dict[int, int]]:
    """The codes of a block, told by the lengths of their own (RFC 1951 §3.2.7)."""
    letters, places, told = bits.take(5) + 257, bits.take(5) + 1, bits.take(4) + 4
    sizes = [0] * 19
    for number in _ORDER[:told]:
        sizes[number] = bits.take(3)
    table = _codes(tuple(sizes))
    lengths: list[int] = []
    while len(lengths) < letters + places:
        symbol = bits.code(table)
        if symbol < 16:
            lengths.append(symbol)
        elif symbol == 16:
            if not lengths:
                raise _Broken
            lengths += [lengths[-1]] * (3 + bits.take(2))
        else:
            lengths += [0] * (3 + bits.take(3) if symbol == 17 else 11 + bits.take(7))
    return _codes(tuple(lengths[:letters])), _codes(tuple(lengths[letters : letters + places]))


@lru_cache(maxsize=4)
def _codes(lengths: tuple[int, ...]) -> dict[int, int]:
    """Each code, with a one in front, and what it stands for (RFC 1951 §3.2.2)."""
    table: dict[int, int] = {}
    code = 0
    for size in range(1, _LONGEST_CODE + 1):
        for symbol, length in enumerate(lengths):
            if length == size:
                table[1 << size | code] = symbol
                code += 1
        if code > 1 << size:
            raise _Broken
        code <<= 1
    return table


def _fixed() -> tuple[dict[int, int], dict[int, int]]:
    return _codes((8,) * 144 + (9,) * 112 + (7,) * 24 + (8,) * 8), _codes((5,) * 32)
