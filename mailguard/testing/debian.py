"""Makes what the tests of installation start from: a clean Debian 12, and the wheels it needs.

Run by scripts/bootstrap, or by the tests themselves where that has not been done. Both are kept in
the user's cache, since they are the same for every checkout.
"""

import fcntl
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parents[2]

PACKAGES = "python3-venv,libmagic1,libarchive13,tesseract-ocr-eng,systemd"
"""What the installer would ask apt-get for."""

PLATFORMS = ("2_36", "2_34", "2_28", "2_17", "2014")
"""The manylinux wheels that Debian 12 can use."""

TOOLS = ("debootstrap", "unshare", "nsenter", "ip")


def obstacle() -> str:
    """Why there can be no such Debian here; empty when there can."""
    if os.geteuid() != 0:
        return "a clean root needs root"
    for tool in TOOLS:
        if shutil.which(tool) is None:
            return f"{tool} is not installed; scripts/bootstrap --tests does that"
    if subprocess.run(["unshare", "--mount", "--pid", "--net", "--fork", "true"]).returncode:
        return "this machine does not allow name spaces"
    return ""


def kept() -> Path:
    """What lasts from run to run."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "mailguard-tests"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def only_one(file: Path) -> Iterator[None]:
    """Let the processes that want to do this do it one after the other."""
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make_debian() -> Path:
    """A tar file of a clean Debian 12."""
    file = kept() / f"bookworm-{sha256(PACKAGES.encode()).hexdigest()[:8]}.tar"
    with only_one(kept() / "lock"), tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        if not file.exists():
            words = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm"]
            subprocess.run([*words, f"{folder}/root"], check=True, stdout=subprocess.DEVNULL)
            shutil.rmtree(f"{folder}/root/var/cache/apt", ignore_errors=True)
            shutil.rmtree(f"{folder}/root/usr/share/doc", ignore_errors=True)
            tar = ["tar", "-C", f"{folder}/root", "-cf", f"{file}.new", "."]
            subprocess.run(tar, check=True)
            Path(f"{file}.new").rename(file)
    return file


def make_wheels() -> Path:
    """A folder of all that MailGuard needs to be built and to run, for that Debian's Python."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = [
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["pictures"],
        *project["build-system"]["requires"],
    ]
    constraints = (ROOT / "constraints.txt").read_text("utf-8")
    key = sha256(f"{wanted}{constraints}".encode()).hexdigest()[:8]
    folder = kept() / f"wheels-{key}"
    machine = platform.machine()
    with only_one(kept() / "lock"):
        if not folder.exists():
            only = ["--only-binary=:all:", "--python-version=3.11", "--implementation=cp"]
            only += [f"--abi={abi}" for abi in ("cp311", "abi3", "none")]
            only += [f"--platform=manylinux_{version}_{machine}" for version in PLATFORMS[:-1]]
            only += [f"--platform=manylinux2014_{machine}", f"--platform=linux_{machine}"]
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", f"{folder}.new"]
            limits = ["--constraint", str(ROOT / "constraints.txt")]
            subprocess.run([*pip, *only, *limits, *wanted], check=True)
            for other in kept().glob("wheels-*"):
                if other != Path(f"{folder}.new"):
                    shutil.rmtree(other)
            Path(f"{folder}.new").rename(folder)
    return folder


if __name__ == "__main__":
    if not obstacle():
        make_debian()
        make_wheels()
