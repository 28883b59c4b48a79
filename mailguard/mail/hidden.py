"""Text that its reader does not see, marked inside a text until it is known where it stands.

Marks are control characters that :func:`~mailguard.mail.html.read_html` puts in and that are taken
out before anything is shown; line ends in hidden text are LINE SEPARATORs as long, so that nothing
which cuts a text into lines cuts there.
"""

import re
from array import array
from functools import partial

from mailguard.mail.fold import Folded, fold, indices

_BEGIN, _END = "\x0e", "\x0f"
_LINE = "\u2028"
_MARKS = re.compile(f"[{_BEGIN}{_END}]")
_RUN = re.compile(f"{_BEGIN}([^{_BEGIN}{_END}]*+){_END}")

_Ranges = tuple[tuple[int, int], ...]


def hide(text: str) -> str:
    """Mark `text`, which has no marks, as hidden."""
    return f"{_BEGIN}{text}{_END}" if text else ""


def without_marks(text: str) -> str:
    """Return `text` without anything that could be taken for a mark."""
    return _MARKS.sub(" ", text) if _BEGIN in text or _END in text else text


def join_hidden(text: str) -> str:
    """Make one of what was marked piece by piece, in one line."""
    if _BEGIN not in text:
        return text
    joined = text.replace(_END + _BEGIN, "")
    return _RUN.sub(lambda run: run[0].replace("\n", _LINE), joined)


def show_hidden(text: str) -> tuple[str, _Ranges]:
    """Return marked `text` without marks, and the half-open ranges of it that were hidden."""
    if _BEGIN not in text:
        return text, ()
    pieces: list[str] = []
    hidden: list[tuple[int, int]] = []
    length = done = 0
    for run in _RUN.finditer(text):
        before, inside = text[done : run.start()], run[1].replace(_LINE, "\n")
        pieces += before, inside
        length += len(before) + len(inside)
        hidden.append((length - len(inside), length))
        done = run.end()
    pieces.append(text[done:])
    return "".join(pieces), tuple(hidden)


def without_hiding(text: str) -> str:
    """Return `text`, marked piece by piece, with all that was hidden but without marks."""
    if _BEGIN not in text:
        return text
    return text.replace(_BEGIN, "").replace(_END, "").replace(_LINE, "\n")


def fold_shown(text: str, hidden: _Ranges) -> Folded:
    """Fold what of `text` is not `hidden`; spans lead back to `text`."""
    pieces: list[str] = []
    done = 0
    for start, end in hidden:
        pieces.append(text[done:start])
        done = end
    pieces.append(text[done:])
    folded = fold("".join(pieces))
    return Folded(folded.text, partial(_trace, folded, len(text), hidden))


def _trace(folded: Folded, length: int, hidden: _Ranges) -> "array[int]":
    """The origins of what is `folded`, in a text of `length` characters with what is `hidden`."""
    kept = array("I")
    done = 0
    for start, end in (*hidden, (length, length)):
        kept += indices(done, start)
        done = end
    if folded.origins is None:
        return kept
    return array("I", map(kept.__getitem__, folded.origins))
