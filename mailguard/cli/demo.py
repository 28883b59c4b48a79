"""``mailguard demo``: MailGuard at work on sample mail, from the final dot to the audit log."""

import shlex
import shutil
import signal
import smtplib
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from mailguard import logs
from mailguard.cli import app
from mailguard.cli.outcome import (
    Kept,
    Sent,
    describe_outcome,
    describe_reason,
    describe_relationships,
    read_kept,
)
from mailguard.cli.output import print_table
from mailguard.cli.samples import Sample, load_samples
from mailguard.cli.stage import HOST, Stage, set_stage
from mailguard.config import load_config
from mailguard.errors import UserError
from mailguard.mail.envelope import Origin
from mailguard.policy.directory import Directory
from mailguard.service.load import load_directory

SHOWN, RELEASED, CONFIRMED = "threat", "lines from the play", "bullying"
"""The titles of the samples that the reviewer of the demo decides about."""

ALERT, DIGEST = "MailGuard alert", "MailGuard daily summary"
"""How the subjects of MailGuard's own mail begin."""

HEADTEACHER = "head@elmpark.example"

PATIENCE_S = 20
"""For a reply, and for the release: the service looks every second."""


@click.command(name="demo")
@click.option(
    "--stay/--no-stay",
    default=None,
    help="Keep running at the end until Ctrl-C, to try things. Default: on a terminal.",
)
@click.option("--keep", is_flag=True, help="Do not delete the temporary folder at the end.")
def command(stay: bool | None, keep: bool) -> None:
    """See MailGuard at work on sample mail, in a temporary folder.

    Starts MailGuard and a small mail server of its own, sends some thirty messages through a real
    SMTP client, shows what became of each and why, and reviews some. No mail server of yours is
    touched, and nothing leaves this machine.

    \b
    mailguard demo
    mailguard demo --stay --keep
    """
    # The mail server behind MailGuard runs in this process; what it logs is not the show.
    logs.configure(level="error")
    # So that a polite kill, too, stops what was started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    stays = sys.stdin.isatty() and sys.stdout.isatty() if stay is None else stay
    folder = Path(tempfile.mkdtemp(prefix="mailguard-demo-"))
    try:
        _perform(folder, stays=stays)
    finally:
        if keep:
            click.echo(f"\nEverything is kept in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _perform(folder: Path, *, stays: bool) -> None:
    click.secho("MailGuard at work at Elm Park Primary, an invented school.", bold=True)
    click.echo(
        f"Everything happens in {folder} and on this machine alone;\n"
        "no mail server of yours is touched. MailGuard is starting…\n"
        "(For the first time it compiles its rules, which takes some ten seconds.)"
    )
    with set_stage(folder) as stage:
        samples = {sample.title: sample for sample in load_samples()}
        sent = _send_all(list(samples.values()), stage)
        kept = read_kept(stage.config_file)
        _show_outcomes(sent, kept, load_directory(load_config(stage.config_file)))
        _show_arrivals(sent, stage)
        _show_alerts(kept, stage)
        _review(samples, kept, stage)
        _show_digest(stage)
        _advise(stage, stays=stays)
        if stays:
            _wait_for_interrupt()


def _send_all(samples: Sequence[Sample], stage: Stage) -> list[Sent]:
    """Send every sample with Python's own SMTP client, and note the replies."""
    started = time.monotonic()
    sent = []
    for sample in samples:
        with smtplib.SMTP(HOST, stage.ports[sample.origin], timeout=PATIENCE_S) as client:
            client.ehlo("client.example")
            client.mail(sample.sender)
            for address in sample.recipients:
                client.rcpt(address)
            code, _ = client.data(sample.raw)
        sent.append(Sent(sample=sample, code=code))
    _heading(f"{len(sent)} messages were sent, in {time.monotonic() - started:.1f} seconds")
    return sent


def _show_outcomes(sent: Sequence[Sent], kept: Mapping[str, Kept], directory: Directory) -> None:
    rows = []
    for each in sent:
        sample, copy = each.sample, kept.get(each.sample.sha256)
        outcome, reason = describe_outcome(each, copy), describe_reason(copy)
        who = describe_relationships(sample, directory)
        rows.append((str(sample.number), sample.title, who, outcome, reason))
    print_table(("", "message", "who to whom", "what became of it", "why"), rows, drawn=True)


def _show_arrivals(sent: Sequence[Sent], stage: Stage) -> None:
    """Compare what arrived at the mail server behind MailGuard with what was sent."""
    arrived = [delivered.file.read_bytes() for delivered in stage.delivered]
    exact = [raw for raw in arrived if any(raw.endswith(each.sample.raw) for each in sent)]
    click.echo(
        f"{len(arrived)} messages arrived at the mail server, {len(exact)} of them byte for byte "
        "as they were sent,\nwith one Received: line in front. "
        "The rest waits in quarantine for a person to decide."
    )


def _show_alerts(kept: Mapping[str, Kept], stage: Stage) -> None:
    """Wait for the mail about each message that somebody must know of at once."""
    expected = sum(copy.held.alert for copy in kept.values())
    deadline = time.monotonic() + PATIENCE_S
    while len(stage.own_mail(ALERT)) < expected and time.monotonic() < deadline:
        time.sleep(0.1)
    alerts = stage.own_mail(ALERT)
    people = ", ".join(sorted({alert.to for alert in alerts}))
    click.echo(
        f"“alert” is for what somebody must know at once: {len(alerts)} mails went to {people}.\n"
        "They name nobody and quote nothing:"
    )
    for alert in alerts[:1]:
        click.echo(f"  Subject: {alert.subject}")


def _review(samples: Mapping[str, Sample], kept: Mapping[str, Kept], stage: Stage) -> None:
    """Look at one message, release one, confirm one, and prove the audit log."""
    ids = {title: kept[samples[title].sha256].held.id for title in (SHOWN, RELEASED, CONFIRMED)}
    _heading(f"Why was “{SHOWN}” held? What it says stays hidden")
    _run(stage, "quarantine", "show", ids[SHOWN])
    _heading(f"“{RELEASED}” is homework: the drama teacher releases it")
    reason = ("--reason", "lines for the school play", "--by", "Priya Lane")
    _run(stage, "quarantine", "release", ids[RELEASED], *reason, "--wait", f"{PATIENCE_S}")
    raw = samples[RELEASED].raw
    if any(delivered.file.read_bytes() == raw for delivered in stage.next_hop.delivered):
        click.echo("It arrived: the very bytes that were held.")
    _heading(f"“{CONFIRMED}” is an offence: the headteacher confirms it, and it stays here")
    reason = ("--reason", "parents invited for Thursday", "--by", "Grace Okafor")
    _run(stage, "quarantine", "confirm", ids[CONFIRMED], *reason)
    _heading("Nobody can change afterwards what was done: the audit log is a chain")
    _run(stage, "audit", "verify", "--evidence")


def _show_digest(stage: Stage) -> None:
    """Show the daily summary of what has just been done, mail it, and prove that it arrived."""
    _heading("What the headteacher reads in the morning: the daily summary, of this demo")
    _run(stage, "digest", "preview")
    _heading("It goes to the mail server by itself on every school day; here it goes once more")
    _run(stage, "digest", "send", "--again")
    head = [letter for letter in stage.own_mail(DIGEST) if letter.to == HEADTEACHER]
    if head:
        click.echo(f"It arrived, for {head[-1].to}: “{head[-1].subject}”.")


def _run(stage: Stage, *words: str) -> None:
    """Show a command as one would type it, and run it."""
    click.secho(f"$ mailguard {shlex.join(words)}", fg="cyan")
    status = app.run([*words, "--config", str(stage.config_file)])
    if status:
        raise UserError(f"that ended with exit status {status}; please report it")


def _advise(stage: Stage, *, stays: bool) -> None:
    mailguard = shutil.which("mailguard") or str(Path(sys.executable).with_name("mailguard"))
    _heading("What next")
    if stays:
        click.echo(
            "MailGuard is still running. In another terminal:\n"
            f"  export MAILGUARD_CONFIG={stage.config_file}\n"
            f"  {mailguard} quarantine list\n"
            f"  {mailguard} check\n"
            f"  swaks --server {HOST}:{stage.ports[Origin.INSIDE]} "
            "--from ben.cole@pupils.elmpark.example --to ava.reed@pupils.elmpark.example\n"
        )
    click.echo(
        f"  {mailguard} demo --stay           the same, and it keeps running for you to try\n"
        f"  {mailguard} scan --explain FILE   every step of judging a message of your own\n"
        f"  {mailguard} rules list            what is looked for\n"
        f"  {mailguard} config example        a configuration to start from\n"
        "README.md says how to put MailGuard on the school's mail server."
    )


def _wait_for_interrupt() -> None:
    try:
        click.secho("\nCtrl-C stops MailGuard.", bold=True)
        while True:
            # Not signal.pause(): a signal that comes right before it would go unnoticed.
            time.sleep(1)
    except KeyboardInterrupt:
        click.echo("\nStopping…")


def _heading(text: str) -> None:
    click.secho(f"\n{text}\n", bold=True)
