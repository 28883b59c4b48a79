"""Read a word that somebody disguised as the word it stands for, if it stands for a known one.

Only words that some rule looks for, and everyday ones that stand between them, are known. What is
read as none of them stays as it was: so product codes, names and numbers are left alone.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import product

LONGEST = 20
"""Letters of the longest word that is looked for; English words have fewer."""

_DISGUISE = 40
"""Characters of the longest token that is read: a word with its letters repeated."""

_AMBIGUOUS = 4
"""Letters of one token that may be read in two ways; more are read in the first one."""

_CACHE = 1 << 12
"""Tokens remembered: a page of them."""

_LEET = str.maketrans("03456789@$+€£¡¢", "oeasgtbgastelic")
_EITHER = {"1": "il", "!": "il", "|": "il"}
"""What may be either of two letters."""

_JOINTS = str.maketrans("", "", "_*~|^+")
"""Signs that are put between the letters of a word."""

_CUT = re.compile(r"[._*~|^+]+")
_ENDS = re.compile(r"(?:s|es|ed|d|ing|in|er|ers|y)\Z")
_LETTER = re.compile(r"[a-z]")
_DIGIT = re.compile(r"\d")
_RUN = re.compile(r"([a-z])\1+")
_TRIPLE = re.compile(r"([a-z])\1\1")

_IN_PATTERN = re.compile(r"[a-z][a-z']{2,}")
_ESCAPE = re.compile(r"\\.|\[[^]]*\]")
_OPTIONAL = re.compile(r"([a-z']+?)([a-z'])\?")

# Must hold words of one and two letters that run-together text is cut at: those of rules are no
# good for that, for a pattern has many that are ends of words.
_SHORT = """
a i u am an as at be by do go he if im in is it me my no of oi ok on or so to up ur us we
"""

_EVERYDAY = """
about after again all always and any are because been before being best better but came can
come could day did does doing done even ever every everyone for friend friends from gave get
girl give good got had has hate have her here him his home hope how into its just keep know last
later leave let like look love made make man many maybe mean more most much must need never new
next night nobody not now off old one only other our out over people please put really right
said same say school see send shall she should some someone soon still stop such take talk tell
than that the their them then there these they thing think this time today told tomorrow too
very wait want was watch way well went were what when where which who why will with work would
year yes yet you your yours yourself
"""

# What is spaced out in headings, and could be cut inside: "the rapist", "ass i stance".
_HEADINGS = """
agenda analysis assassin assassins assemble assembly assess assessment assessments assets assign
assignment assist assistance assistant associate association bass bassoon button class classes
classic classroom cockerel cockpit cocktail compass competition cumbria documents essex exercise
grape grapes grass hancock holidays homework important information introduction lesson lessons
manslaughter massage matinee meeting menu minutes newsletter notice notices passage penistone
politics programme reading register results scunthorpe sextet skill skills specialist studies
sussex therapist therapists therapy timetable title titles uniform welcome
"""


class Vocabulary:
    """The words that are known, and how disguised ones are read."""

    def __init__(self, patterns: Iterable[str]) -> None:
        """Know the words of `patterns`, in the pattern language of rules with lists filled in."""
        short = frozenset(_SHORT.split())
        self._sought = frozenset(word for pattern in patterns for word in _words(pattern))
        self.words = self._sought | frozenset(_EVERYDAY.split())
        self._cuttable = self.words | frozenset(_HEADINGS.split()) | short
        self._squeezed: dict[str, list[str]] = {}
        self._masked: dict[tuple[int, str, str], list[str]] = {}
        for word in sorted(self.words | short, key=lambda w: (-len(w), w)):
            self._squeezed.setdefault(_squeeze(word), []).append(word)
            self._masked.setdefault((len(word), word[0], word[-1]), []).append(word)
        self.read = lru_cache(maxsize=_CACHE)(self._read)

    def _read(self, token: str) -> str | None:
        """Return the known word that `token`, without white space, stands for; None for none, and
        where the word is written plainly."""
        if len(token) > _DISGUISE or not _LETTER.search(token) or token in self.words:
            return None
        if token.isalpha():
            return self._without_repetition(token) if _TRIPLE.search(token) else None
        if len(token) < 3:
            return None
        if words := self._unjoined(token):
            return words
        if "." in token:
            return None
        if len(_DIGIT.findall(token)) > len(_LETTER.findall(token)):
            return None
        if token[0].isdigit() and len(_LETTER.findall(token)) < 2:
            return None
        return self._unmask(token) or next(filter(None, map(self._known, _readings(token))), None)

    def _unjoined(self, token: str) -> str | None:
        """Return the words of ``i.will.kill``, which are three at least; a file name or address has
        one that is not known."""
        words = _CUT.split(token)
        if len(words) < 3 or not all(word in self._cuttable for word in words):
            return None
        return " ".join(words)

    def _known(self, word: str) -> str | None:
        """Return `word` if it is known, in this form or with another ending or fewer letters."""
        if not word.replace("'", "").isalpha():
            return None
        if word in self.words:
            return word
        stem = _ENDS.sub("", word)
        if len(stem) > 2 and (stem in self._sought or _single_end(stem) in self._sought):
            return word
        return self._without_repetition(word) if _TRIPLE.search(word) else None

    def _without_repetition(self, word: str) -> str | None:
        """Return the longest known word of which `word` only repeats letters."""
        runs = _run_lengths(word)
        for known in self._squeezed.get(_squeeze(word), ()):
            if known == "i" and word == "iii":  # of a king
                continue
            if all(ours <= theirs for ours, theirs in zip(_run_lengths(known), runs, strict=True)):
                return known
        return None

    def _unmask(self, token: str) -> str | None:
        """Return the only sought word that ``f**k`` can be."""
        if "*" not in token or not token.replace("*", "").isalpha() or "*" in token[0] + token[-1]:
            return None
        shape = re.compile(token.replace("*", "[a-z]"))
        alike = self._masked.get((len(token), token[0], token[-1]), ())
        fitting = [word for word in alike if word in self._sought and shape.fullmatch(word)]
        return fitting[0] if len(fitting) == 1 else None

    def split(self, letters: str) -> list[str] | None:
        """Cut letters that were written apart from each other into words, as few as possible; None
        if they are not known words from end to end, or all shorter than three letters."""
        for reading in _readings(letters) if not letters.isalpha() else (letters,):
            if words := self._cut(reading):
                return words
        return None

    def _cut(self, letters: str) -> list[str] | None:
        if _TRIPLE.search(letters) and (word := self._without_repetition(letters)):
            return [letters] if word == letters else None
        # Fewest words that end here, and the length of the last of them.
        fewest: list[tuple[int, int] | None] = [(0, 0)]
        for end in range(1, len(letters) + 1):
            best: tuple[int, int] | None = None
            for length in range(1, min(end, LONGEST) + 1):
                before = fewest[end - length]
                if before and letters[end - length : end] in self._cuttable:
                    best = min(best or (len(letters) + 1, 0), (before[0] + 1, length))
            fewest.append(best)
        words: list[str] = []
        end = len(letters)
        while end:
            if (at := fewest[end]) is None:
                return None
            words.append(letters[end - at[1] : end])
            end -= at[1]
        words.reverse()
        return words if any(len(word) > 2 for word in words) else None


def _words(pattern: str) -> Iterator[str]:
    """Yield the words of a pattern: those with an optional last letter both ways."""
    plain = _ESCAPE.sub(" ", pattern)
    yield from _IN_PATTERN.findall(_OPTIONAL.sub(r"\1\2", plain))
    yield from _IN_PATTERN.findall(_OPTIONAL.sub(r"\1", plain))


def _readings(token: str) -> Iterator[str]:
    """Yield what `token` may read in plain letters, the likeliest first."""
    plain = token.translate(_LEET)
    either = [at for at, sign in enumerate(plain) if sign in _EITHER][:_AMBIGUOUS]
    for choice in product(*(_EITHER[plain[at]] for at in either)):
        letters = list(plain)
        for at, letter in zip(either, choice, strict=True):
            letters[at] = letter
        yield "".join(letters).translate(str.maketrans("1!|", "iii"))
    yield token.translate(_JOINTS)


def _squeeze(word: str) -> str:
    return _RUN.sub(r"\1", word)


def _run_lengths(word: str) -> list[int]:
    lengths: list[int] = []
    previous = ""
    for letter in word:
        if letter == previous:
            lengths[-1] += 1
        else:
            lengths.append(1)
        previous = letter
    return lengths


def _single_end(stem: str) -> str:
    """``stabb`` of "stabbing" is ``stab``."""
    return stem[:-1] if len(stem) > 3 and stem[-1] == stem[-2] else stem
