"""Detector modules: found by being there, and refused when they lack a part."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailguard.errors import RuleError
from mailguard.scan import detectors
from mailguard.scan.detector import load_detectors

WHOLE = """
from mailguard.scan.detector import match, no_match
from mailguard.scan.finding import Category, Level, Symbol

SYMBOLS = (
    Symbol(name="X_Y", category=Category.CRIME, level=Level.FLAG, says="It is so.", clauses=()),
)
EXAMPLES = (match("a"), match("b"), no_match("c"), no_match("d"))


def detect(view, transaction, school):
    yield from ()
"""


@pytest.fixture
def write_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Write a package of one detector module and import the package."""
    name = f"detectors_of_{tmp_path.name}"
    folder = tmp_path / name
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)

    def write(source: str) -> object:
        (folder / "of_a_school.py").write_text(source)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    yield write
    for module in [module for module in sys.modules if module.startswith(name)]:
        del sys.modules[module]


def test_module_is_a_detector_by_being_there(write_module) -> None:
    package = write_module(WHOLE)

    (detector,) = load_detectors(package)

    assert (detector.name, [s.name for s in detector.symbols]) == ("of_a_school", ["X_Y"])


@pytest.mark.parametrize(
    ("part", "instead", "key"),
    [
        pytest.param("SYMBOLS =", "OTHER =", "SYMBOLS", id="no symbols"),
        pytest.param("EXAMPLES =", "OTHER =", "EXAMPLES", id="no examples"),
        pytest.param('match("a"), ', "", "EXAMPLES", id="one match"),
        pytest.param(', no_match("d")', "", "EXAMPLES", id="one near miss"),
        pytest.param('no_match("d")', '"d"', "EXAMPLES", id="example of another kind"),
        pytest.param("def detect", "def detects", "detect", id="no detect"),
        pytest.param("import match", "import matches", "", id="cannot be imported"),
    ],
)
def test_module_that_lacks_a_part_is_refused_with_its_file(
    write_module, part: str, instead: str, key: str
) -> None:
    package = write_module(WHOLE.replace(part, instead))

    with pytest.raises(RuleError) as refused:
        load_detectors(package)

    assert refused.value.file.endswith("of_a_school.py")
    assert key == refused.value.key


def test_shipped_detectors_all_load() -> None:
    names = [detector.name for detector in load_detectors(detectors)]

    assert names == [
        "active_content",
        "address_list",
        "bank_account",
        "birth_date",
        "bulk_recipients",
        "candidate_number",
        "card_number",
        "census_file",
        "chi_number",
        "class_list",
        "disclosure_certificate",
        "driving_licence",
        "home_address",
        "insurance_number",
        "international_account",
        "learner_number",
        "login_seed",
        "named_pupil",
        "nhs_number",
        "passport_number",
        "password_table",
        "phone_number",
        "pupil_export",
        "pupil_number",
        "pupil_photo",
        "risky_attachment",
        "secret_key",
        "special_category",
        "tax_reference",
        "teacher_number",
        "travel_document",
        "vehicle_registration",
    ]
