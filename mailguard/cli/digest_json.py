"""A digest as data for other programs: the facts of the mail, and no more than it says."""

from mailguard.report.data_list import DataList, Entry
from mailguard.report.data_list import compose_subject as compose_list_subject
from mailguard.report.digest import Digest, Item
from mailguard.report.summary import compose_subject

Json = dict[str, object]


def digest_to_json(digest: Digest) -> Json:
    """The keys are a contract; those of an item are in `_item`."""
    changes, system = digest.changes, digest.system
    return {
        "school": digest.school_name,
        "for": digest.recipient,
        "day": digest.day.isoformat(),
        "since": digest.since.isoformat() if digest.since else None,
        "until": digest.until.isoformat(),
        "subject": compose_subject(digest),
        "today": [_item(item) for item in digest.today.shown],
        "today_total": digest.today.total,
        "waiting": [_item(item) for item in digest.waiting.shown],
        "waiting_total": digest.waiting.total,
        "changes": {
            "held": changes.held,
            "flagged": changes.flagged,
            "minor": changes.minor,
            "sealed": changes.sealed,
            "released": changes.released,
            "confirmed": changes.confirmed,
            "closed": changes.closed,
            "elsewhere": changes.elsewhere,
            "data": {"returned": changes.data.returned, "held": changes.data.held},
        },
        "system": {
            "checked": system.checked,
            "unread": dict(system.unread),
            "rules": system.rules.count,
            "ruleset": system.rules.fingerprint,
            "self_tests": [
                {"listener": test.listener, "at": test.at.isoformat(), "failure": test.failure}
                for test in system.self_tests
            ],
            "tests": system.tests,
            "failed_tests": system.failed_tests,
            "observe": system.observes,
            "any_origin": list(system.any_origin),
            "blind_to": [kind.value for kind in system.blind_to],
            "unseen": [kind.value for kind in system.unseen],
            "missed": [
                {"what": missed.what, "about": missed.about, "reply": missed.reply}
                for missed in system.missed
            ],
            "undelivered": {"count": system.undelivered.count, "told": system.undelivered.told},
        },
        "clauses": list(digest.clauses),
    }


def data_list_to_json(data: DataList) -> Json:
    """The data lead's list likewise."""
    return {
        "school": data.school_name,
        "for": data.recipient,
        "day": data.day.isoformat(),
        "since": data.since.isoformat() if data.since else None,
        "until": data.until.isoformat(),
        "subject": compose_list_subject(data),
        "held": [_entry(entry) for entry in data.held],
        "sent": [_entry(entry) for entry in data.sent],
        "returned": [_entry(entry) for entry in data.returned],
    }


def _entry(entry: Entry) -> Json:
    return {**_item(entry.item), "reason": entry.reason or None, "told": entry.is_told}


def _item(item: Item) -> Json:
    return {
        "reference": item.reference,
        "categories": [category.value for category in item.categories],
        "relationships": list(item.relationships),
        "level": int(item.level),
        "alert": item.is_alert,
        "sealed": item.is_sealed,
        "states": [state.value for state in item.states],
        "reasons": list(item.reasons),
        "clauses": list(item.clauses),
        "from": item.sender or None,
        "to": list(item.recipients),
        "received": item.received.isoformat(),
        "school_days": item.waited,
    }
