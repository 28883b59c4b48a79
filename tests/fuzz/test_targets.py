"""The fuzzers' targets hold for their samples, and for those cut, repeated and mixed.

`make fuzz` looks further.
"""

import os
import random

import pytest

from . import reading, targets
from .samples import SAMPLES

TARGETS = {**targets.TARGETS, **reading.TARGETS}

ROUNDS = int(os.environ.get("MAILGUARD_EXAMPLES", "40"))


@pytest.mark.parametrize("name", TARGETS)
def test_every_sample_and_what_is_made_of_it_is_taken(name: str) -> None:
    target, samples = TARGETS[name], SAMPLES[name]
    for sample in samples:
        target(sample)

    # Must: a seed, so that a failure can be repeated.
    choose = random.Random(name)
    for _ in range(ROUNDS):
        target(changed(choose.choice(samples), choose.choice(samples), choose))


def changed(sample: bytes, other: bytes, choose: random.Random) -> bytes:
    """`sample` with some bytes gone, doubled, replaced, or taken from another."""
    data = bytearray(sample)
    for _ in range(choose.randint(1, 4)):
        start = choose.randint(0, len(data))
        end = min(len(data), start + choose.randint(0, 12))
        match choose.randint(0, 3):
            case 0:
                del data[start:end]
            case 1:
                data[start:start] = data[start:end]
            case 2:
                data[start:end] = choose.choice([b"\r", b"\n", b"\0", b"\xff", b".\r\n", b"\r\n"])
            case _:
                data[start:start] = other[: choose.randint(0, len(other))]
    return bytes(data)
