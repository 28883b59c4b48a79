"""Reports as JSON: back and forth unchanged, and nothing strange comes in."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.mail.text import Where
from mailguard.scan.codec import report_from_json, report_to_json
from mailguard.scan.finding import Category, Finding, Level, ScanReport, Span, Symbol, Unscanned

SYMBOLS = {
    name: Symbol(name=name, category=Category.THREAT, level=Level.FLAG, says="So.", clauses=())
    for name in ("THREAT_A", "THREAT_B")
}

spans = st.builds(
    lambda part, where, start, length: Span(
        part=part, where=where, start=start, end=start + length
    ),
    st.text(max_size=5),
    st.sampled_from(Where),
    st.integers(0, 10**6),
    st.integers(0, 100),
)
findings = st.builds(
    Finding,
    symbol=st.sampled_from(list(SYMBOLS.values())),
    level=st.sampled_from(Level),
    part=st.text(max_size=5),
    where=st.none() | st.sampled_from(Where),
    count=st.integers(0, 100),
    spans=st.lists(spans, max_size=3).map(tuple),
)
reports = st.builds(
    ScanReport,
    findings=st.lists(findings, max_size=3).map(tuple),
    unscanned=st.lists(
        st.builds(Unscanned, part=st.text(max_size=5), reason=st.text(max_size=5)), max_size=2
    ).map(tuple),
    ruleset=st.text(max_size=16),
    failed=st.lists(st.text(max_size=9), max_size=2).map(tuple),
)


@given(reports)
def test_report_comes_back_unchanged(report: ScanReport) -> None:
    written = json.dumps(report_to_json(report))

    assert report == report_from_json(json.loads(written), SYMBOLS)


def written() -> dict[str, Any]:
    span = Span(part="1", where=Where.BODY, start=1, end=2)
    finding = Finding(
        symbol=SYMBOLS["THREAT_A"], level=Level.FLAG, part="1", where=Where.BODY, spans=(span,)
    )
    unscanned = Unscanned(part="2", reason="format")
    report = ScanReport(findings=(finding,), unscanned=(unscanned,), ruleset="0", failed=("a",))
    return report_to_json(report)


STRANGE = [
    pytest.param(("findings", 0, "symbol"), "THREAT_C", id="unknown symbol"),
    pytest.param(("findings", 0, "symbol"), ["THREAT_A"], id="symbol in a list"),
    pytest.param(("findings", 0, "level"), 5, id="level too high"),
    pytest.param(("findings", 0, "level"), True, id="level true"),
    pytest.param(("findings", 0, "level"), 1.0, id="level with a fraction"),
    pytest.param(("findings", 0, "part"), 1, id="part a number"),
    pytest.param(("findings", 0, "where"), "header", id="unknown place"),
    pytest.param(("findings", 0, "count"), -1, id="negative count"),
    pytest.param(("findings", 0, "spans"), {}, id="spans not in a list"),
    pytest.param(("findings", 0, "spans", 0, "end"), 0, id="span that ends before it begins"),
    pytest.param(("findings", 0, "spans", 0, "where"), None, id="span nowhere"),
    pytest.param(("findings", 0, "words"), "secret", id="key too many"),
    pytest.param(("findings", 0), None, id="no finding"),
    pytest.param(("unscanned", 0, "reason"), None, id="no reason"),
    pytest.param(("ruleset",), 7, id="ruleset a number"),
    pytest.param(("failed", 0), {}, id="failed check not a text"),
    pytest.param(("extra",), "x", id="report with a key too many"),
]


@pytest.mark.parametrize(("path", "value"), STRANGE)
def test_what_cannot_have_been_written_is_refused(path: tuple[Any, ...], value: object) -> None:
    whole = inner = written()
    *way, last = path
    for step in way:
        inner = inner[step]
    inner[last] = value

    with pytest.raises(ValueError):
        report_from_json(whole, SYMBOLS)


@pytest.mark.parametrize("key", ["findings", "unscanned", "ruleset", "failed"])
def test_report_without_a_key_is_refused(key: str) -> None:
    whole = written()
    del whole[key]

    with pytest.raises(ValueError, match="is not a table"):
        report_from_json(whole, SYMBOLS)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@given(json_values)
def test_any_other_value_is_refused(value: object) -> None:
    with pytest.raises(ValueError):
        report_from_json(value, SYMBOLS)
