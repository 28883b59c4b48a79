"""Certificates for tests, made by the openssl command."""

import subprocess
from pathlib import Path


def make_certificate(file: Path, name: str = "localhost") -> Path:
    """Write a new key and its self-signed certificate, for `name` and 127.0.0.1, into one file."""
    key, certificate = file.with_suffix(".key.tmp"), file.with_suffix(".crt.tmp")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "30", "-subj", f"/CN={name}", "-keyout", key, "-out", certificate),
            *("-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    file.write_bytes(key.read_bytes() + certificate.read_bytes())
    key.unlink()
    certificate.unlink()
    return file
