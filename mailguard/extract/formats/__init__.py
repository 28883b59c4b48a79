"""Readers of file formats: one file each, discovered by being there.

A reader is a module with

* ``TYPES: frozenset[str]``: media types by content, as :func:`mailguard.extract.sniff.sniff` says;
* ``NAMES: tuple[str, ...]``: lower-case endings of names, for what is not known by its content;
* ``read(data: bytes, about: About) -> Iterator[Item]``: yields what it finds as it goes. It
  computes and does nothing else: no file, no network, no import while it runs. It bounds its own
  loops and never holds more than a few times `data`. Whatever it raises ends it, and is a miss;
* optionally ``SAMPLE: bytes``: a small file of its kind, read once before the cage is locked, so
  that a library has what it loads on first use.
"""
