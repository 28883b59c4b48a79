"""A message drawn as a tree: its parts, the files inside them, and how much of each was read."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from mailguard.extract.found import Missed, Opened, Piece, Reading, Trait
from mailguard.mail.message import Message, Part
from mailguard.mail.text import Extract, MessageView, Where

BRANCH, LAST, DOWN, BLANK = "├─ ", "└─ ", "│  ", "   "


@dataclass(slots=True)
class _Node:
    label: str
    children: "list[_Node]" = field(default_factory=list)

    def miss(self, reason: str) -> None:
        """Say once that something of it was not read."""
        if all(child.label != f"not read: {reason}" for child in self.children):
            self.children.append(_Node(f"not read: {reason}"))


@dataclass(frozen=True, slots=True)
class _File:
    """What was found in one file itself, files inside it apart."""

    node: _Node
    opened: Opened
    places: Counter[str] = field(default_factory=Counter)
    words: list[str] = field(default_factory=list)


def draw_message(
    message: Message,
    view: MessageView,
    extracts: Iterable[Extract],
    readings: Mapping[str, Reading],
) -> Iterator[str]:
    """One line for each part and for each file inside one, at its place in the tree."""
    sniffed = {extract.part: extract.sniffed for extract in extracts}
    seen: Counter[str] = Counter()
    for segment in view.segments:
        if segment.where is not Where.FILENAME:
            seen[segment.part] += len(segment.text)
    root = _Node("message")
    nodes = {"": root}
    for part in message.parts:
        label = _part(part, sniffed.get(part.number, ""))
        node = _Node(label)
        misses: tuple[str, ...] = ()
        if reading := readings.get(part.number):
            node = _files(reading, label)
            misses = reading.misses
        node.label += f", {seen[part.number]:,} characters seen"
        for unread in view.unread:
            if unread.part == part.number and unread.reason not in misses:
                node.miss(unread.reason)
        _parent(part.number, nodes).children.append(node)
        nodes[part.number] = node
    yield from _draw(root, "", "")


def _parent(number: str, nodes: dict[str, _Node]) -> _Node:
    """The node above part `number`; multiparts have none of their own in a Message."""
    above = number.rpartition(".")[0]
    if above not in nodes:
        node = nodes[above] = _Node(f"{above}  several parts")
        _parent(above, nodes).children.append(node)
    return nodes[above]


def _part(part: Part, sniffed: str) -> str:
    name = f"  {part.filename!r}" if part.filename else ""
    charset = f" in {part.charset}" if part.charset else ""
    found = f", found {_same(sniffed, part.content_type)}" if sniffed else ""
    kind = "attachment" if part.is_attachment else "shown"
    return f"{part.number}{name}  {part.content_type}{charset}{found}, {kind}, {_size(part.data)}"


def _same(found: str, declared: str) -> str:
    return "the same" if found and found == declared else found


def _size(data: bytes) -> str:
    return f"{len(data):,} bytes"


def _files(reading: Reading, part: str) -> _Node:
    """The attachment that is `part`, and the files inside it as nodes below."""
    top = _Node(part)
    above: list[_File] = []
    files: dict[str, _File] = {}
    """By path, the last of each: an archive may hold two files of one name."""
    opened: list[_File] = []
    for found in reading.found:
        match found:
            case Opened():
                while above and not found.path.startswith(f"{above[-1].opened.path}/"):
                    above.pop()
                file = _File(_Node("") if opened else top, found)
                if opened:
                    outer = above[-1] if above else opened[0]
                    name = found.path.removeprefix(f"{outer.opened.path}/")
                    file.node.label = _file(name, found)
                    outer.node.children.append(file.node)
                above.append(file)
                files[found.path] = file
                opened.append(file)
            case Missed():
                _nearest(found.path, files, top).miss(found.reason)
            case Piece() if found.path in files:
                files[found.path].places[found.where or "body"] += len(found.text)
            case Trait() if found.path in files:
                files[found.path].words.append(found.word)
    for file in opened:
        file.node.label += _read(file)
    return top


def _nearest(path: str, files: Mapping[str, _File], top: _Node) -> _Node:
    """The file at `path`, or, where that was not even opened, the one that it is in."""
    while path and path not in files:
        path = path.rpartition("/")[0]
    return files[path].node if path else top


def _file(name: str, opened: Opened) -> str:
    kinds = f"found {_same(opened.sniffed, opened.declared) or 'unknown'}"
    if opened.declared:
        kinds = f"declared {opened.declared}, {kinds}"
    return f"{name!r}  {kinds}, {opened.size:,} bytes"


def _read(file: _File) -> str:
    """By what it was read, and what that saw in it."""
    by = f", read by {file.opened.reader}" if file.opened.reader else ", no reader"
    text = ", ".join(f"{place}: {count:,}" for place, count in file.places.items())
    text = f" ({text})" if text else ""
    traits = f" [{', '.join(dict.fromkeys(file.words))}]" if file.words else ""
    return f"{by}{text}{traits}"


def _draw(node: _Node, first: str, further: str) -> Iterator[str]:
    yield first + node.label
    for child in node.children:
        is_last = child is node.children[-1]
        yield from _draw(
            child, further + (LAST if is_last else BRANCH), further + (BLANK if is_last else DOWN)
        )
