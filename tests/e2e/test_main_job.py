"""Mail in, judged, relayed or held as evidence, reviewed and released: the whole way, for real."""

import json
import smtplib
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mailguard.testing import mail
from mailguard.testing.service import Service, free_port, wait_until
from mailguard.testing.sink import Sink

PUPIL = "sam@pupils.elmpark.example"
OTHER = "max@pupils.elmpark.example"
TEACHER = "ms.khan@elmpark.example"

THREAT = "wait till break tomorrow, I'm going to stab you"


def listed(service: Service, *words: str) -> list[dict[str, object]]:
    done = service.command("quarantine", "list", "--json", *words)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_clean_message_arrives_byte_for_byte_with_its_envelope(
    service: Service, sink: Sink
) -> None:
    raw = mail("Trip letters are due on Friday.")

    code, _ = service.send(raw, sender=TEACHER, to=[OTHER, PUPIL])

    (arrived,) = sink.delivered
    assert code == 250
    assert arrived.file.read_bytes().endswith(raw)
    assert arrived.file.read_bytes().startswith(b"Received: from client.example")
    assert [path.address for path in arrived.recipients] == [OTHER, PUPIL]
    assert listed(service) == []


def test_a_threat_is_held_reviewed_and_released_unchanged(service: Service, sink: Sink) -> None:
    raw = mail(THREAT, from_=PUPIL)

    code, text = service.send(raw, sender=PUPIL, to=[OTHER])
    (row,) = listed(service)
    released = service.command(
        "quarantine", "release", str(row["id"]), "--reason", "drama homework", "--wait", "20"
    )

    (arrived,) = sink.messages()
    (after,) = listed(service)
    assert (code, b"queued" in text) == (250, True)
    assert row["state"] == "held"
    assert released.returncode == 0, released.stderr
    assert arrived == raw
    assert after["state"] == "released"
    assert service.command("audit", "verify").returncode == 0


def test_a_confirmed_message_stays_and_cannot_be_released(service: Service, sink: Sink) -> None:
    service.send(mail(THREAT, from_=PUPIL), sender=PUPIL, to=[OTHER])
    (row,) = listed(service)

    first = service.command("quarantine", "confirm", str(row["id"]), "--reason", "a threat")
    second = service.command("quarantine", "release", str(row["id"]), "--reason", "a mistake")

    assert first.returncode == 0, first.stderr
    assert second.returncode == 1
    assert "confirmed" in second.stderr
    assert sink.messages() == []


def test_a_child_asking_for_help_is_never_held(service: Service, sink: Sink) -> None:
    raw = mail("I want to kill myself, I have decided. Please help me.", from_=PUPIL)

    code, _ = service.send(raw, sender=PUPIL, to=[TEACHER])

    (arrived,) = sink.messages()
    (row,) = listed(service)
    assert code == 250
    assert arrived.endswith(raw)
    assert row["state"] == "delivered"


def test_mixed_recipients_get_their_own_disposition(service: Service, sink: Sink) -> None:
    raw = mail("Everyone hates you. kill yourself, nobody would miss you.", from_=PUPIL)

    code, _ = service.send(raw, sender=PUPIL, to=[OTHER, TEACHER])

    (arrived,) = sink.delivered
    (row,) = listed(service)
    states = {r["address"]: r["state"] for r in row["recipients"]}  # type: ignore[attr-defined]
    assert code == 250
    assert [path.address for path in arrived.recipients] == [TEACHER]
    assert states == {OTHER: "held", TEACHER: "delivered"}


def test_observe_mode_relays_all_and_keeps_nothing(
    make_service: Callable[..., Service], sink: Sink
) -> None:
    service = make_service(sink.port, mode="observe")

    code, _ = service.send(mail(THREAT, from_=PUPIL), sender=PUPIL, to=[OTHER])

    assert code == 250
    assert len(sink.messages()) == 1
    assert listed(service) == []
    assert not list(service.spool.glob("*/*/*/*/message.eml"))


def test_next_hop_down_defers_and_keeps_nothing(
    make_service: Callable[..., Service], tmp_path: Path
) -> None:
    service = make_service(free_port())

    code, _ = service.send(mail(), sender=PUPIL, to=[OTHER])

    assert code == 451
    assert listed(service) == []


def test_release_while_next_hop_is_down_goes_out_when_it_is_back(
    make_service: Callable[..., Service], tmp_path: Path
) -> None:
    sink = Sink(tmp_path / "first")
    sink.start()
    service = make_service(sink.port)
    raw = mail(THREAT, from_=PUPIL)
    service.send(raw, sender=PUPIL, to=[OTHER])
    sink.stop()
    (row,) = listed(service)

    waited = service.command(
        "quarantine", "release", str(row["id"]), "--reason", "drama", "--wait", "1"
    )
    back = Sink(tmp_path / "second", port=service.next_hop)
    back.start()
    wait_until(lambda: back.messages() == [raw], 20)

    assert waited.returncode == 1
    wait_until(lambda: listed(service)[0]["state"] == "released")
    back.stop()


def test_nothing_is_refused_for_good_because_the_next_hop_was_down_at_the_start(
    make_service: Callable[..., Service], tmp_path: Path
) -> None:
    service = make_service(free_port())
    sink = Sink(tmp_path / "late", port=service.next_hop)
    sink.start()

    with smtplib.SMTP("127.0.0.1", service.port, timeout=30) as client:
        client.ehlo("client.example")
        reply = client.docmd("MAIL", "FROM:<ana@elmpark.example> SMTPUTF8")

    sink.stop()
    assert reply[0] == 250


def test_two_workers_share_the_listener_and_the_quarantine(
    make_service: Callable[..., Service], sink: Sink
) -> None:
    service = make_service(sink.port, workers=2)

    codes = {service.send(mail(THREAT, from_=PUPIL), sender=PUPIL, to=[OTHER])[0] for _ in range(8)}

    assert codes == {250}
    assert len(listed(service)) == 8
    assert service.command("audit", "verify").returncode == 0


def test_swaks_delivers_through_it(service: Service, sink: Sink, tmp_path: Path) -> None:
    file = tmp_path / "message.eml"
    file.write_bytes(mail("Football is at four."))

    done = subprocess.run(
        ["swaks", "-s", f"127.0.0.1:{service.port}", "-f", PUPIL, "-t", TEACHER, "-d", f"@{file}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert len(sink.messages()) == 1


@pytest.mark.parametrize("size", [300_000, 1_500_000], ids=["large", "larger than memory"])
def test_a_large_message_is_judged_in_a_process_of_its_own_and_arrives(
    service: Service, sink: Sink, size: int
) -> None:
    raw = mail("\n".join(["All is well with the school play."] * (size // 34)))

    code, _ = service.send(raw, sender=TEACHER, to=[PUPIL])

    (arrived,) = sink.messages()
    assert code == 250
    assert arrived.endswith(raw)


def test_a_threat_deep_in_a_large_message_is_held(service: Service, sink: Sink) -> None:
    lines = ["All is well with the school play."] * 20_000
    lines[15_000] = "I'm going to stab you tomorrow."

    code, _ = service.send(mail("\n".join(lines), from_=PUPIL), sender=PUPIL, to=[OTHER])

    assert code == 250
    assert sink.messages() == []
    assert listed(service)[0]["state"] == "held"


def test_it_ends_0_on_sigterm_after_what_it_has_in_hand(
    make_service: Callable[..., Service], sink: Sink
) -> None:
    service = make_service(sink.port)
    service.send(mail(), sender=TEACHER, to=[PUPIL])

    assert service.stop() == 0
