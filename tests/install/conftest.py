"""A clean Debian of its own, in which MailGuard is installed as on a school's mail server.

The root and a folder of wheels are made beforehand (see mailguard.testing.debian), so that nothing
is fetched inside. MailGuard is installed once for each run, in a plain chroot, and every test then
works on a copy-on-write layer above that: booted with systemd as process 1 in name spaces of its
own, network included, so that nothing leaks.
"""

import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mailguard.testing.debian import make_debian, make_wheels, obstacle, only_one
from mailguard.testing.service import Service, wait_until
from mailguard.testing.sink import Sink

ROOT = Path(__file__).parents[2]

SOURCES = (
    *("mailguard", "rules", "systemd", "docs", "scripts"),
    *("pyproject.toml", "constraints.txt", "README.md", "LICENSE", "Makefile"),
)
"""What of a checkout an installation uses."""

KEPT_RULES = {"threat", "phishing"}

OFFLINE = {
    "PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "PIP_NO_INDEX": "1",
    "PIP_FIND_LINKS": "/wheels",
}

BOOT = """
set -e
mount --make-rprivate /
ip link set lo up
if [ -n "$LOWER" ]; then
    mount -t tmpfs tmpfs $LAYER
    mkdir $LAYER/upper $LAYER/work $LAYER/root
    layers=lowerdir=$LOWER,upperdir=$LAYER/upper,workdir=$LAYER/work
    mount -t overlay overlay -o $layers $LAYER/root
    R=$LAYER/root
else
    R=$LAYER
    mount --bind $R $R
fi
mount -t proc proc $R/proc
mount -t tmpfs -o mode=755 tmpfs $R/dev
for node in null zero full random urandom tty; do
    touch $R/dev/$node
    mount --bind /dev/$node $R/dev/$node
done
mkdir $R/dev/shm $R/dev/pts
mount -t devpts -o newinstance,ptmxmode=666 devpts $R/dev/pts
ln -s pts/ptmx $R/dev/ptmx
ln -s /proc/self/fd $R/dev/fd
mount -t tmpfs -o mode=755 tmpfs $R/run
mount -t tmpfs -o mode=1777 tmpfs $R/tmp
mount -t sysfs sysfs $R/sys
mount -t cgroup2 cgroup2 $R/sys/fs/cgroup
# Not chroot: a process inside one may not make name spaces for users, as PrivateUsers= does.
cd $R
pivot_root . mnt
exec chroot . /bin/sh -c "$INIT"
"""

ENDING = ("--fork", "--kill-child")
"""With setpriv in front: whatever ends the tests ends the machine too."""

PLAIN = """
umount -l /mnt
touch /run/booted
exec sleep infinity
"""

SYSTEMD = """
umount -l /mnt
exec /usr/bin/env -i container=lxc PATH=/usr/sbin:/usr/bin /lib/systemd/systemd \
    --system systemd.unified_cgroup_hierarchy=1 --show-status=0
"""


@dataclass(slots=True)
class Machine:
    """A Debian in name spaces of its own. Its processes end with it."""

    layer: Path
    """The root itself, or, above a `lower` one, where the layer is mounted."""

    lower: Path | None = None
    process: "subprocess.Popen[bytes] | None" = None
    pid: int = 0
    log: Path = field(default_factory=lambda: Path(tempfile.mkstemp()[1]))

    def start(self) -> None:
        """Start it; return once systemd says that it runs, where there is one."""
        spaces = ("--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "unshare", *spaces, *ENDING, "sh", "-c", BOOT],
                env={
                    "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
                    "LOWER": str(self.lower or ""),
                    "LAYER": str(self.layer),
                    "INIT": SYSTEMD if self.lower else PLAIN,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        wait_until(lambda: self.process.poll() is not None or children.read_text().strip())
        assert self.process.poll() is None, self.log.read_text()
        self.pid = int(children.read_text().split()[0])
        if self.lower is None:
            wait_until(lambda: self.run("test", "-e", "/run/booted").returncode == 0, 20)
        else:
            wait_until(lambda: self.has_ended() or self.is_running(), 60)
            assert not self.has_ended(), f"systemd cannot run here: {self.log.read_text()}"

    def is_running(self) -> bool:
        """Whether systemd has started all it wanted."""
        return self.run("systemctl", "is-system-running").stdout.strip() in {"running", "degraded"}

    def has_ended(self) -> bool:
        """Whether it broke off."""
        assert self.process is not None
        return self.process.poll() is not None

    def stop(self) -> None:
        """End all its processes."""
        assert self.process is not None
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait(20)
        self.log.unlink(missing_ok=True)

    def run(self, *words: str, given: str = "", **more: str) -> "subprocess.CompletedProcess[str]":
        """Run a command inside, as root."""
        enter = ["nsenter", "-t", str(self.pid), "-m", "-p", "-n", "-u", "-i", "-C"]
        return subprocess.run(
            [*enter, *words],
            env=OFFLINE | more,
            input=given,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )

    def sh(self, script: str) -> str:
        """Run a shell script inside; return what it says. It must end 0."""
        done = self.run("sh", "-c", script)
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout.strip()


@pytest.fixture(scope="session")
def debian() -> Path:
    """A tar file of a clean Debian 12."""
    if reason := obstacle():
        pytest.skip(reason)
    return make_debian()


@pytest.fixture(scope="session")
def wheels(debian: Path) -> Path:
    """All that MailGuard needs to be built and to run, for the Python of that Debian."""
    return make_wheels()


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A Debian with MailGuard, at rest."""

    root: Path
    said: str
    """What the installer said."""


@pytest.fixture(scope="session")
def installed(
    debian: Path, wheels: Path, tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Iterator[Installed]:
    """A clean Debian in which `make install` ran once, in a chroot without systemd."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    root = shared / "debian"
    with only_one(shared / "debian.lock"):
        if not (shared / "debian.done").exists():
            root.mkdir()
            with tarfile.open(debian) as tar:
                tar.extractall(root, filter="fully_trusted")
            shutil.copytree(wheels, root / "wheels")
            copy_checkout(root / "checkout")
            machine = Machine(layer=root)
            try:
                machine.start()
                done = machine.run("/checkout/scripts/install")
            finally:
                machine.stop()
            text = done.stdout + done.stderr
            assert done.returncode == 0, text
            (shared / "debian.done").write_text(text)
        (shared / f"debian.used-by-{worker_id}").touch()
    yield Installed(root=root, said=(shared / "debian.done").read_text())
    with only_one(shared / "debian.lock"):
        (shared / f"debian.used-by-{worker_id}").unlink()
        if not list(shared.glob("debian.used-by-*")):
            # Half a gigabyte, of which pytest would keep three.
            (shared / "debian.done").unlink()
            shutil.rmtree(root)


@pytest.fixture
def machine(installed: Installed, tmp_path: Path) -> Iterator[Machine]:
    """The installed Debian, booted."""
    (tmp_path / "layer").mkdir()
    machine = Machine(layer=tmp_path / "layer", lower=installed.root)
    try:
        machine.start()
        yield machine
    finally:
        machine.stop()


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    """A next hop that takes everything."""
    sink = Sink(tmp_path / "maildir")
    sink.start()
    yield sink
    sink.stop()


@pytest.fixture
def make_service(tmp_path: Path, rule_cache: Path) -> Iterator[Callable[..., Service]]:
    """Starts services in folders of the names given; each is stopped at the end."""
    services: list[Service] = []

    def make(next_hop: int, *, name: str = "school", starts: bool = True) -> Service:
        service = Service(folder=tmp_path / name, next_hop=next_hop, cache=rule_cache)
        services.append(service)
        if starts:
            service.start()
        return service

    yield make
    for service in services:
        service.stop()


def copy_checkout(target: Path) -> None:
    """What of this checkout an installation uses, with some of the rules: `check` compiles them
    afresh each time, and an upgrade asks it three times."""
    target.mkdir()
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target / name)
    for rule in (target / "rules").glob("*/*.toml"):
        if rule.parent.name not in KEPT_RULES:
            rule.unlink()
