"""Letters and marks that a reader takes for plain ones: the table behind `fold`.

From the Unicode security data (UTS 39, confusables.txt): letters of living scripts whose shape is
that of one Latin letter, and beside them the letters that "fancy text" uses for it. Forms that
Unicode itself calls compatible (full-width, mathematical, circled) and Latin letters with strokes
or hooks need no table: `fold` derives them.
"""

_LETTERS = {
    "a": "ɑΑαАаᎪᗅꓮ",
    "b": "ƄΒВвЬьᏏᏴᑲᖯᗷꓐꞴ",
    "c": "СсᏟⲤⲥꓚꮯ",
    "d": "ԁᎠᏧᑯᗞᗪꓒꓓ∂",
    "e": "ΕεЕеЄєҽᎬꓰꬲ",
    "f": "Ϝғքᖴꓝꬵ",
    "g": "ƍԌցᏀᏳꓖ",
    "h": "ΗНнһҺհᎻᏂᕼⲎꓧ",
    "i": "ıɩΙιІіӏᎥꙇꭵ",
    "j": "ͿϳЈјנᎫᒍꓙ",
    "k": "ĸΚκКкқᏦᛕⲔꓗ",
    "l": "ƖǀӀᏞᒪⲒⳐꓡꓲ",
    "m": "ΜϺМмᎷᗰⲘꓟ",
    "n": "ΝηИиոռⲚꓠ",
    "o": "ΟοσОоՕօᴑⲞⲟꓳꬽ",
    "p": "ΡρРрᏢᑭⲢⲣꓑ",
    "q": "ԛգզ",
    "r": "ƦгЯяᎡᏒᖇᴦⲅꓣꭇꭈꮁ",
    "s": "ƽЅѕՏᏕᏚꓢꮪ",
    "t": "ΤτТтᎢⲦꓔ",
    "u": "υՍսᑌꓴꞟ",
    "v": "νѴѵᏙᐯꓦꮩ",
    "w": "ɯωѡШшԜԝաᎳᏔꓪꮃ",
    "x": "ΧχХхᕁᕽᚷⲬꓫꞳ",
    "y": "ɣΥγУуҮүყᎩᎽⲨꓬ",
    "z": "ΖᏃꓜꮓ",
}

_MARKS = {
    "'": "‘’‚‛′´ʻʼʹˈˊꞌ",
    '"': "“”„‟″«»",
    "-": "‐‑‒–—―−⁃",
    ".": "․۔",
    "/": "⁄∕",
    "*": "∗⁎",
    "\ufffd": "\ufffc",
}

LOOKALIKES = {look: plain for plain, looks in (_LETTERS | _MARKS).items() for look in looks}
"""Each character that has a plain look-alike, to that one character."""
