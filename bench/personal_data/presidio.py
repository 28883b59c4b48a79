"""Microsoft Presidio with its British recognisers, set up as well as it goes without a model.

A tokeniser of spaCy without a model (``spacy.blank("en")``) takes the place of its language model:
none of the recognisers below needs one. Its lemmas are the words in lower case, so that words of
context count. Recognisers of other countries are left out, since they could only be wrong here, and
so are those of dates, which find every date and not birthdays.
"""

from collections.abc import Mapping
from time import process_time

import spacy
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer import predefined_recognizers as theirs
from presidio_analyzer.nlp_engine import SpacyNlpEngine
from spacy.language import Language
from spacy.tokens import Doc

KNOWN: Mapping[str, str] = {
    "nhs": "UK_NHS",
    "hc": "UK_NHS",
    "chi": "UK_NHS",
    "nino": "UK_NINO",
    "passport": "UK_PASSPORT",
    "driver": "UK_DRIVING_LICENCE",
    "iban": "IBAN_CODE",
    "card": "CREDIT_CARD",
    "address": "UK_POSTCODE",
    "plate": "UK_VEHICLE_REGISTRATION",
}
"""Which of its entities stands for an identifier of ours."""

STRONG = frozenset(
    {"UK_NHS", "UK_NINO", "UK_PASSPORT", "UK_DRIVING_LICENCE", "IBAN_CODE", "CREDIT_CARD"}
)
"""What raises an alarm; the others say as little about a person as ours of the same kind, which
raise none."""

THRESHOLDS = (0.0, 0.2, 0.4, 0.5, 0.6, 0.85, 1.0)
"""Of its score; 0 is its default."""

_LONGEST = 200_000
"""Characters that it is given of one text."""


@Language.component("lower_case_lemmas")
def _set_lemmas(doc: Doc) -> Doc:
    for token in doc:
        token.lemma_ = token.lower_
    return doc


class _Tokeniser(SpacyNlpEngine):  # type: ignore[misc]
    def load(self) -> None:
        """In place of the model that it would fetch."""
        self.nlp = {"en": spacy.blank("en")}
        self.nlp["en"].add_pipe("lower_case_lemmas")


class Presidio:
    """Its analyser, ready to use."""

    def __init__(self) -> None:
        engine = _Tokeniser()
        engine.load()
        registry = RecognizerRegistry(
            recognizers=[
                theirs.NhsRecognizer(),
                theirs.UkNinoRecognizer(),
                theirs.UkPassportRecognizer(),
                theirs.UkDrivingLicenceRecognizer(),
                theirs.UkPostcodeRecognizer(),
                theirs.UkVehicleRegistrationRecognizer(),
                theirs.IbanRecognizer(),
                theirs.CreditCardRecognizer(),
            ]
        )
        self._analyzer = AnalyzerEngine(registry=registry, nlp_engine=engine)

    def find(self, text: str) -> tuple[Mapping[str, float], float]:
        """Return the best score of each entity in `text`, and the CPU seconds that it took."""
        begin = process_time()
        best: dict[str, float] = {}
        for result in self._analyzer.analyze(text[:_LONGEST], language="en"):
            best[result.entity_type] = max(result.score, best.get(result.entity_type, 0.0))
        return best, process_time() - begin
