"""Doing it: the only code that acts on a judgement. Async; talks to the world through ports."""
