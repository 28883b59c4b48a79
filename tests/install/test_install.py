"""Installing, upgrading, going back and removing, on a clean Debian with systemd as process 1."""

import io
import json
import re
import stat
import zipfile
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont

from mailguard.testing.service import wait_until

pytestmark = pytest.mark.slow

UNITS = ("mailguard.target", "mailguard-relay.service", "mailguard-jobs.service")
WORKING = "systemctl is-active mailguard-relay.service mailguard-jobs.service"
PYTHON = "/opt/mailguard/current/bin/python"

SINK = """
import pathlib, time
from mailguard.testing.sink import Sink
sink = Sink(pathlib.Path("/srv/mail"), port=10026)
sink.start()
print("ready", flush=True)
time.sleep(3600)
"""

SEND = """
import smtplib, sys
from mailguard.testing import mail
sam, max_ = "sam@elmpark.example", "max@elmpark.example"
with smtplib.SMTP("127.0.0.1", 10025, timeout=60) as client:
    client.sendmail(sam, [max_], mail(sys.stdin.read(), from_=sam))
"""

SEND_AS_IT_IS = """
import smtplib, sys
sam, max_ = "sam@elmpark.example", "max@elmpark.example"
with smtplib.SMTP("127.0.0.1", 10025, timeout=60) as client:
    client.sendmail(sam, [max_], sys.stdin.buffer.read())
"""

FILTERS = """for process in /proc/[0-9]*; do
    if tr '\\0' ' ' < $process/cmdline | grep -q 'extract[.]cage_zygote'; then
        sed -n 's/^Seccomp_filters:[^0-9]*//p' $process/status
    fi
done 2> /dev/null | sort -n"""
"""How many filters hold each process of the cage: the unit's, and one more where it is locked."""

LETTER = (
    '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
    "<w:body><w:p><w:r><w:t>%s</w:t></w:r></w:p></w:body></w:document>"
)

PDF = """%%PDF-1.4
1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj
2 0 obj <</Type/Pages/Kids[3 0 R]/Count 1>> endobj
3 0 obj <</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>> endobj
4 0 obj <</Length %d>> stream
%s
endstream endobj
5 0 obj <</Type/Font/Subtype/Type1/BaseFont/Helvetica>> endobj
trailer <</Root 1 0 R>>
"""

THREAT = "I'm going to stab you tomorrow"
HARMLESS = "The play is on Friday.\r\n" * 20_000

MIGRATION = """cat > mailguard/store/migrations/versions/0099_create_wings.py <<'END'
import sqlalchemy as sa
from alembic import op
revision = "0099_create_wings"
down_revision = "HEAD"
def upgrade():
    op.create_table("wings", sa.Column("id", sa.Integer, primary_key=True))
END
cd mailguard/store/migrations/versions
head=$(ls 00*.py | grep -v wings | tail -n 1)
sed -i "s/HEAD/${head%.py}/" 0099_create_wings.py"""

NEW_FAULT = """cat >> mailguard/cli/check.py <<'END'


async def _check_mode(*given):
    yield Result(name="mode", ok=False, what="The florist is closed.", do="Wait.")


CHECKS = {**CHECKS, "mode": _check_mode}
END"""

NO_START = """cat >> mailguard/service/serve.py <<'END'


def serve(config, only=None):
    raise ConfigError(["it cannot start"])
END"""

FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"

MILTERS = """
[[listeners]]
name = "asked"
protocol = "milter"
address = "unix:/run/mailguard/milter"
[[listeners]]
name = "in-queue"
protocol = "milter"
address = "unix:/var/spool/postfix/mailguard/milter"
"""

POSTCONF = """cat > /usr/sbin/postconf <<'END'
#!/bin/sh
case "$1" in
-M) echo "smtp inet n - y - 20 smtpd" ;;
-P) echo "smtp/inet/smtpd_proxy_filter = 127.0.0.1:10025" ;;
esac
END
chmod 755 /usr/sbin/postconf"""


@pytest.fixture
def working(machine: Any) -> Any:
    """The machine, with a mail server behind MailGuard, when both units work."""
    machine.sh(f"{PYTHON} -c '{SINK}' > /tmp/sink 2>&1 & until grep -q ready /tmp/sink; do :; done")
    wait_until(lambda: machine.run("sh", "-c", WORKING).returncode == 0, 60)
    return machine


def send(machine: Any, text: str) -> None:
    done = machine.run(PYTHON, "-c", SEND, given=text)
    assert done.returncode == 0, done.stderr


def held(machine: Any) -> list[dict[str, Any]]:
    lines = machine.sh("mailguard quarantine list --json").splitlines()
    return [json.loads(line) for line in lines]


def zipped(name: str, data: bytes | str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, data)
    return file.getvalue()


def pdf(text: str) -> bytes:
    shown = f"BT /F 12 Tf 72 720 Td ({text}) Tj ET"
    return (PDF % (len(shown), shown)).encode()


def drawn(text: str) -> bytes:
    file = io.BytesIO()
    picture = Image.new("L", (700, 100), 255)
    ImageDraw.Draw(picture).text((20, 30), text, font=ImageFont.truetype(FONT, 28), fill=0)
    picture.save(file, "PNG")
    return file.getvalue()


def sight(machine: Any) -> Any:
    """What `check` says of pictures."""
    checks = machine.run("mailguard", "check", "--json").stdout.splitlines()
    (said,) = (check for check in map(json.loads, checks) if check["name"] == "pictures")
    return said


def send_attached(machine: Any, name: str, data: bytes) -> None:
    message = EmailMessage(policy=SMTP)
    message["Message-ID"] = f"<{name}@elmpark.example>"
    message["From"], message["To"] = "sam@elmpark.example", "max@elmpark.example"
    message.set_content("See the file.")
    message.add_attachment(data, "application", "octet-stream", filename=name)
    done = machine.run(PYTHON, "-c", SEND_AS_IT_IS, given=message.as_string())
    assert done.returncode == 0, done.stderr


def install(machine: Any) -> Any:
    return machine.run("/checkout/scripts/install")


def change_checkout(machine: Any, version: str, *changes: str) -> None:
    """Make it another version, with changes that a shell makes in it."""
    line = f'__version__ = "{version}"'
    for change in (f"sed -i 's/^__version__.*/{line}/' mailguard/__init__.py", *changes):
        machine.sh(f"cd /checkout && {change}")


def mode(path: Path) -> str:
    return oct(stat.S_IMODE(path.stat().st_mode))


def schema(machine: Any) -> str:
    return str(json.loads(machine.sh("mailguard db status --json"))["schema"])


def test_a_clean_system_gets_user_folders_configuration_and_enabled_units(installed: Any) -> None:
    root = installed.root
    passwd = (root / "etc/passwd").read_text()
    (uid,) = (int(found) for found in re.findall(r"^mailguard:[^:]*:(\d+):", passwd, re.M))
    config = root / "etc/mailguard/mailguard.toml"
    wanted = root / "etc/systemd/system"

    owned = {
        name: ((root / name).stat().st_uid, mode(root / name))
        for name in (
            *("var/lib/mailguard", "var/lib/mailguard/quarantine", "etc/mailguard"),
            "var/backups/mailguard",
        )
    }

    assert owned == {
        "var/lib/mailguard": (uid, "0o700"),
        "var/lib/mailguard/quarantine": (uid, "0o700"),
        "etc/mailguard": (0, "0o750"),
        "var/backups/mailguard": (0, "0o700"),
    }
    assert (config.stat().st_uid, mode(config)) == (0, "0o640")
    assert {line[:1] for line in config.read_text().splitlines()} == {"#", "[", ""}
    assert (wanted / "multi-user.target.wants/mailguard.target").is_symlink()
    assert {u.name for u in (wanted / "mailguard.target.wants").iterdir()} == set(UNITS[1:])


def test_it_says_what_could_not_be_done_what_is_wrong_and_what_postfix_needs(
    installed: Any,
) -> None:
    assert "systemd does not run here" in installed.said
    assert "WRONG  school: No domain is the school's." in installed.said
    assert "-o smtpd_proxy_filter=127.0.0.1:10025" in installed.said
    assert "Traceback" not in installed.said


def test_the_units_start_with_the_system_and_do_the_main_job(working: Any) -> None:
    send(working, THREAT)
    send(working, HARMLESS)
    (row,) = held(working)
    released = working.run(
        *("mailguard", "quarantine", "release", row["id"], "--reason", "a play", "--wait", "30")
    )

    files = working.sh("find /var/lib/mailguard -type f -printf '%u %m\\n' | sort -u")
    log = working.sh("journalctl --no-pager -o cat -u 'mailguard-*'")
    assert released.returncode == 0, released.stderr
    assert working.sh("cat /srv/mail/new/* | grep -c '^Subject:'") == "2"
    assert files == "mailguard 600"
    assert "job_failed" not in log
    assert "process_died" not in log
    assert working.sh("mailguard audit verify --evidence")


def test_the_units_let_attachments_be_read_in_the_cage(working: Any) -> None:
    letter = zipped("word/document.xml", LETTER % THREAT)

    send_attached(working, "slip.pdf", pdf("Sign here."))
    send_attached(working, "note.pdf", pdf(THREAT))
    send_attached(working, "letters.zip", zipped("letter.docx", letter))

    found = sorted(tuple(row["symbols"]) for row in held(working))
    log = working.sh("journalctl --no-pager -o cat -u mailguard-relay.service")
    filters = {int(count) for count in working.sh(FILTERS).split()}
    checks = working.run("mailguard", "check", "--json").stdout.splitlines()
    said = {check["name"]: check["ok"] for check in map(json.loads, checks)}
    assert found == [("THREAT_IN_ATTACHMENT",)] * 2
    assert working.sh("grep -l slip.pdf /srv/mail/new/* | wc -l") == "1"
    walls = re.findall("event=judging_started.* seccomp=([a-z]+)", log)
    assert re.findall("event=(?:caged_reader|scan_worker)_died", log) == []
    assert walls and {*walls} == {"true"}
    assert max(filters) == min(filters) + 1
    assert (said["cage"], said["readers"]) == (True, True)


def test_pictures_are_read_once_the_configuration_asks_for_it_and_it_is_installed(
    working: Any,
) -> None:
    working.sh("sed -i 's/^#read = false/read = true/' /etc/mailguard/mailguard.toml")
    before = sight(working)

    done = install(working)
    send_attached(working, "note.png", drawn(THREAT))

    assert "make install" in before["do"]
    assert done.returncode == 0, done.stdout + done.stderr
    assert sight(working)["ok"] is True
    assert [row["symbols"] for row in held(working)] == [["THREAT_IN_ATTACHMENT"]]


def test_milters_have_sockets_where_the_units_let_them(machine: Any) -> None:
    dropins = "/etc/systemd/system/mailguard-relay.service.d"
    machine.sh(
        "install -d -o mailguard -g mail -m 2750 /var/spool/postfix/mailguard"
        f" && mkdir {dropins} && cat >> /etc/mailguard/mailguard.toml <<'END'\n{MILTERS}END\n"
        "printf '[Service]\nReadWritePaths=/var/spool/postfix/mailguard\n'"
        f" > {dropins}/milter.conf && systemctl daemon-reload && systemctl restart mailguard.target"
    )

    def tested() -> list[str]:
        log = machine.sh("journalctl --no-pager -o cat -u mailguard-jobs.service")
        return re.findall("event=canary listener=(asked|in-queue) ok=[Tt]rue", log)

    wait_until(lambda: len(tested()) == 2, 60)
    sockets = "/run/mailguard/milter /var/spool/postfix/mailguard/milter"
    assert machine.sh(f"stat -c '%A %U %G' {sockets}").splitlines() == [
        "srw-rw---- mailguard mailguard",
        "srw-rw---- mailguard mail",
    ]


def test_systemd_finds_no_fault_in_the_units_and_little_exposure(machine: Any) -> None:
    files = [f"/etc/systemd/system/{unit}" for unit in UNITS]

    verified = machine.run("systemd-analyze", "verify", "--man=no", *files)
    exposed = [
        machine.run("systemd-analyze", "security", "--offline=true", "--threshold=24", file)
        for file in files[1:]
    ]

    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    assert [done.returncode for done in exposed] == [0, 0], exposed[0].stdout


def test_installing_again_changes_nothing_and_puts_back_what_is_missing(working: Any) -> None:
    look = (
        "find /etc /opt /usr/local -printf '%p %T@ %m %u\\n' | sort;"
        "systemctl show -P MainPID mailguard-relay.service mailguard-jobs.service"
    )
    before = working.sh(look)
    again = install(working)
    after = working.sh(look)
    working.sh(
        "rm -r /etc/systemd/system/mailguard-jobs.service /usr/local/bin/mailguard "
        "/var/cache/mailguard && systemctl stop mailguard-relay.service"
    )

    mended = install(working)

    assert (again.returncode, mended.returncode) == (0, 0), again.stderr + mended.stderr
    assert "nothing had to be done" in again.stdout
    assert set(after.splitlines()) ^ set(before.splitlines()) == set()
    assert "wrote /etc/systemd/system/mailguard-jobs.service" in mended.stdout
    assert "made the command" in mended.stdout
    assert "made /var/cache/mailguard" in mended.stdout
    assert working.sh(WORKING) == "active\nactive"


def test_an_upgrade_keeps_what_is_held_and_makes_a_backup_first(working: Any) -> None:
    send(working, THREAT)
    before = held(working)
    change_checkout(working, "0.2.1")

    done = install(working)

    (backup,) = working.sh("ls -d /var/backups/mailguard/*").splitlines()
    assert done.returncode == 0, done.stdout + done.stderr
    assert working.sh("mailguard --version") == "mailguard 0.2.1"
    assert working.sh(WORKING) == "active\nactive"
    assert held(working) == before
    assert working.sh("mailguard audit verify --evidence").startswith("1 entries")
    assert re.fullmatch(r".*/\d{8}T\d{6}Z-0\.2\.0-[0-9a-f]{8}", backup)
    working.sh(f"cmp {backup}/etc/mailguard.toml /etc/mailguard/mailguard.toml")
    assert working.sh(f"stat -c %a {backup} {backup}/mailguard.db") == "700\n600"


@pytest.mark.parametrize(
    ("fault", "says"),
    [(NEW_FAULT, "mode: The florist is closed."), (NO_START, "does not start")],
    ids=["its check finds a fault", "it does not start"],
)
def test_an_upgrade_that_fails_goes_back_to_what_was(working: Any, fault: str, says: str) -> None:
    send(working, THREAT)
    before = held(working), schema(working), working.sh("readlink /opt/mailguard/current")
    change_checkout(working, "0.2.1", MIGRATION, fault)

    done = install(working)

    after = held(working), schema(working), working.sh("readlink /opt/mailguard/current")
    assert done.returncode == 1, done.stdout
    assert says in done.stderr
    assert after == before
    assert working.sh(WORKING) == "active\nactive"
    assert working.sh("mailguard audit verify --evidence").startswith("1 entries")
    send(working, THREAT)
    assert len(held(working)) == 2


def test_removing_it_keeps_evidence_configuration_and_user(working: Any) -> None:
    send(working, THREAT)

    done = working.run("/checkout/scripts/uninstall")

    assert done.returncode == 0, done.stdout + done.stderr
    assert len(working.sh("find /var/lib/mailguard -name message.eml").splitlines()) == 1
    assert working.sh("ls /etc/mailguard/mailguard.toml")
    assert working.run("sh", "-c", "ls -d /opt/mailguard /usr/local/bin/mailguard").stdout == ""
    assert "mailguard" not in working.sh("ls -R /etc/systemd /etc/sysusers.d /etc/tmpfiles.d")
    assert working.sh("find /proc -maxdepth 1 -user mailguard") == ""
    assert "userdel mailguard" in done.stdout


def test_it_is_not_removed_while_postfix_hands_mail_to_it(machine: Any) -> None:
    machine.sh(POSTCONF)

    refused = machine.run("/checkout/scripts/uninstall")
    there = machine.run("sh", "-c", "ls -d /opt/mailguard/current").stdout
    forced = machine.run("/checkout/scripts/uninstall", FORCE="1")

    assert refused.returncode == 1
    assert "smtp/inet: -o smtpd_proxy_filter=127.0.0.1:10025" in refused.stderr
    assert there == "/opt/mailguard/current\n"
    assert forced.returncode == 0
    assert machine.run("sh", "-c", "ls -d /opt/mailguard").stdout == ""
