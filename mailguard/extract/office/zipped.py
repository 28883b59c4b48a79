"""A small zip file made by code, for readers to try themselves out on before the cage is locked."""

import zipfile
from collections.abc import Mapping
from io import BytesIO


def zipped(members: Mapping[str, str | bytes]) -> bytes:
    """The members as a zip file, in their order."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in members.items():
            # ODF 1.3 part 2 §3.3: this one is not packed, so that the file can be told by it.
            packing = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            archive.writestr(name, text, packing)
    return out.getvalue()
