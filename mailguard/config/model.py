"""Every key of the configuration: its section, type, default and description."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, field_validator, model_validator

from mailguard.config.listener import ListenerSection
from mailguard.config.section import Section
from mailguard.config.values import (
    AddressOrNone,
    DatabaseUrl,
    Days,
    Domain,
    LocalTime,
    NextHopUrlsOrNone,
    Pattern,
    Period,
    PersonAddress,
    PersonAddressOrNone,
    Weekday,
    Zone,
)
from mailguard.policy.disposition import Action
from mailguard.policy.leak import Matter, Treatment, Way, check_cells, complete
from mailguard.report.helplines import DEFAULT_HELPLINES
from mailguard.scan.finding import Category, Level


class SchoolSection(Section):
    """Which school this is."""

    id: str = Field(default="main", pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")
    """A short word that never changes: every row carries it, so that the name may change."""

    name: str = "The school"
    """Shown to people: digest, evidence, console."""

    domains: tuple[Domain, ...] = ()
    """The school's own mail domains; subdomains count as the school's too."""

    timezone: Zone = "Europe/London"
    """For every time a person reads or sets."""


class PeopleSection(Section):
    """Who gets digest and alerts, who reviews when one of them wrote or received a message, and
    whom to tell of what only a technician can put right."""

    headteacher: tuple[PersonAddress, ...] = ()
    """The daily digest goes here."""

    dsl: tuple[PersonAddress, ...] = ()
    """Designated safeguarding lead; may be empty."""

    deputy: tuple[PersonAddress, ...] = ()
    """Deputy head or deputy safeguarding lead; may be empty."""

    data_lead: tuple[PersonAddress, ...] = ()
    """Data protection lead: gets a list every Monday of what went back to its author, or is held,
    because of personal data; may be empty, and then the digest has what is held."""

    chair: tuple[PersonAddress, ...] = ()
    """Chair of governors, for what concerns the headteacher; may be empty."""

    technician: tuple[PersonAddress, ...] = ()
    """Told, by reference only, of mail that could not be delivered to everybody; may be empty."""


class DirectorySection(Section):
    """Who is a pupil, a member of staff and so on. An exact line in `file` wins; then the first
    group with a matching pattern, in the order pupils, governors, parents, staff. An address of
    the school that nothing matches is treated as a pupil's."""

    pupils: tuple[Pattern, ...] = ()
    """Address patterns with `*`, e.g. `*@pupils.elmpark.example`."""

    governors: tuple[Pattern, ...] = ()
    """Address patterns of governors."""

    parents: tuple[Pattern, ...] = ()
    """Address patterns of parents and carers."""

    staff: tuple[Pattern, ...] = ()
    """Address patterns of staff, e.g. `*@elmpark.example`."""

    file: str = ""
    """CSV of the school's people, relative to this file; by default `directory.csv` beside the
    database, which `mailguard directory import` makes."""

    helplines: tuple[Pattern, ...] = ()
    """More helplines and counsellors: their mail is never held for behaviour and never listed."""

    confidants: tuple[Pattern, ...] = ()
    """More unions, advisers and whistle-blowing lines: their mail is checked for malware only."""

    agencies: tuple[Pattern, ...] = ()
    """More trusted agencies (police, NHS, local authority): personal data may go there."""


class RulesSection(Section):
    """Which rules run."""

    local: str = "/etc/mailguard/rules"
    """Folder of the school's own rules; an upgrade never touches it. It need not exist."""

    disable: tuple[str, ...] = ()
    """Symbols that do not run."""


class PolicySection(Section):
    """What findings lead to, where the school wants it other than the defaults."""

    actions: Mapping[Category, Action] = Field(default_factory=dict)
    """For a category, what level 2 and above leads to instead of `hold`, and for `personal_data`
    and `credentials` also instead of `return`: `flag`, `hold`, `reject` or `defer`."""

    data: Mapping[Matter, Mapping[Way, Treatment]] = Field(
        default_factory=dict, validate_default=True
    )
    """Where data may go: for each kind of data and each way, `relay`, `count`, `flag`, `return` or
    `hold`. What is not set here keeps its default; see below."""

    unscanned: Mapping[str, Level] = Field(default_factory=dict)
    """For a reason why something could not be read, the level it has, 0 to 4: `format`, `image`,
    `audio`, `video` (0 if not set here), `external` (1), `encrypted`, `broken` (1; 2 between a
    pupil and the outside), `partial`, `too_long`, `too_deep`, `too_many_parts`, `bomb`,
    `header_too_big`, `transfer_encoding`, `mime_ambiguous`, `engine`, `timeout`, `killed` (2)."""

    @model_validator(mode="after")
    def _only_what_a_school_may_choose(self) -> "PolicySection":
        for category, action in self.actions.items():
            if action in (Action.SEAL, Action.RELAY, Action.RETURN):
                raise ValueError(
                    f"policy.actions.{category}: {action!s} cannot be chosen; "
                    "write flag, hold, reject or defer"
                )
        return self

    @field_validator("data")
    @classmethod
    def _whole_table(
        cls, changes: Mapping[Matter, Mapping[Way, Treatment]]
    ) -> Mapping[Matter, Mapping[Way, Treatment]]:
        if problems := tuple(check_cells(changes)):
            raise ValueError("; ".join(problems))
        return complete(changes)


class StorageSection(Section):
    """Where rows and evidence are kept."""

    database: DatabaseUrl = "sqlite:////var/lib/mailguard/mailguard.db"
    """The database's URL."""

    spool: str = "/var/lib/mailguard/quarantine"
    """Folder of the evidence files."""

    cache: str = "/var/cache/mailguard"
    """Folder for the compiled rules; safe to delete, and need not be writable."""


class RelaySection(Section):
    """The relay as a whole."""

    hostname: str = Field(default="", pattern=r"^[A-Za-z0-9.-]*$")
    """Name in greetings and `Received:`; empty means the machine's own."""

    workers: int = Field(default=2, ge=1, le=64)
    """Processes that share the listeners: two use two cores, and one carries on when the other
    dies."""

    received_line: bool = True
    """Prepend one `Received:` line, the only change to a message that passes."""

    answer_s: int = Field(default=80, ge=10, le=590)
    """Seconds for the whole answer after the final dot; Postfix waits 100 for a proxy filter."""

    scan_s: int = Field(default=20, ge=1, le=120)
    """Seconds for judging; beyond it the message counts as unread and policy decides."""

    @model_validator(mode="after")
    def _scan_fits_into_answer(self) -> "RelaySection":
        if self.scan_s >= self.answer_s:
            raise ValueError("relay.scan_s: judging must take less than the whole relay.answer_s")
        return self


class LimitsSection(Section):
    """What one client, one message or one address may use."""

    message_mb: int = Field(default=50, ge=1, le=200)
    """Largest message, in MiB."""

    recipients: int = Field(default=1000, ge=100, le=10000)
    """Recipients of one message, those that the next hop refuses among them."""

    connections: int = Field(default=200, ge=1, le=10000)
    """Connections at a time, for each worker."""

    connections_per_address: int = Field(default=50, ge=1, le=10000)
    """Connections at a time from one address, for each worker."""

    idle_s: int = Field(default=300, ge=5, le=3600)
    """Seconds for a client's next command, or between two blocks of its message."""

    unpack_s: int = Field(default=10, ge=1, le=60)
    """Seconds for reading one attachment; all of a message's together get half of
    `relay.scan_s`."""

    unpack_mb: int = Field(default=200, ge=1, le=1000)
    """What one attachment may unpack to, in MiB."""

    unpack_files: int = Field(default=1000, ge=1, le=10000)
    """Files read inside one attachment."""


class PicturesSection(Section):
    """What pictures show. Reading it needs more packages and more time; docs/pictures.md."""

    read: bool = False
    """Read words and codes (QR) in attached pictures, in those inside documents and on scanned
    pages; otherwise each counts as unread (`image`)."""


class RetentionSection(Section):
    """For how many days decided messages keep their content. What nobody has reviewed is never
    deleted."""

    flagged_days: Days = 30
    """Copies of mail that was delivered with a flag of level 1, if nobody reviewed them."""

    dismissed_days: Days = 30
    """Messages that were released; delivered or undeliverable copies that were closed."""

    dismissed_flag_days: Days = 7
    """The same, where nothing above level 1 was found."""

    confirmed_days: Days = 90
    """Confirmed messages, once they were exported to the school's own records."""

    returned_days: Days = 7
    """Messages that went back to their authors, counted from when the seven days are over in which
    the author may have them sent."""

    ledger_days: Days = 30
    """Ledger rows: who wrote to whom and what became of it, without content."""


class DigestSection(Section):
    """The daily summary for the headteacher, and for whoever stands in where one may not be shown
    something."""

    time: LocalTime = "07:30"
    """When it is sent, in `school.timezone`, HH:MM."""

    days: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri")
    """Days of the week on which it is sent."""

    holidays: tuple[Period, ...] = ()
    """Days on which it is not sent: single days (`2026-12-25`) and periods, both ends included
    (`2026-12-21/2027-01-01`). The next one covers them."""

    detail: Literal["people", "reference"] = "people"
    """`people` names the pupils and staff of an item, `reference` never does. Nobody is ever named
    where self-harm, a disclosure, grooming or professional conduct is concerned."""

    helplines: tuple[str, ...] = DEFAULT_HELPLINES
    """Shown at the end of every digest and alert."""


class MailSection(Section):
    """MailGuard's own mail: digests and alerts."""

    sender: PersonAddressOrNone = ""
    """The address it comes from; empty means mailguard@ and the first of `school.domains`."""

    next_hop: NextHopUrlsOrNone = ()
    """The mail server that takes it, or a list of them as under `listeners.next_hop`; empty means
    the next hop of the first listener."""


class CanarySection(Section):
    """The self-test: a known-bad and a known-good message through every listener."""

    minutes: int = Field(default=15, ge=0, le=1440)
    """How often; 0 switches it off."""


class MetricsSection(Section):
    """Figures for Prometheus, without content or addresses."""

    address: AddressOrNone = ""
    """host:port that serves them over HTTP under `/metrics`; empty means nowhere."""

    folder: str = "/run/mailguard/metrics"
    """Where the processes leave their figures for the one that serves them; emptied by a reboot."""


class LogSection(Section):
    """How logs look; they go to standard error, where systemd's journal takes them."""

    format: Literal["keyvalue", "json"] = "keyvalue"
    """`keyvalue` or `json`."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is logged."""


class Config(Section):
    """All of it. An empty file gives all defaults."""

    mode: Literal["enforce", "observe"] = "enforce"
    """`enforce` holds; `observe` relays everything, keeps no content and records what it would
    have held."""

    school: SchoolSection = SchoolSection()
    people: PeopleSection = PeopleSection()
    directory: DirectorySection = DirectorySection()
    listeners: tuple[ListenerSection, ...] = (ListenerSection(),)
    rules: RulesSection = RulesSection()
    policy: PolicySection = PolicySection()
    storage: StorageSection = StorageSection()
    relay: RelaySection = RelaySection()
    limits: LimitsSection = LimitsSection()
    pictures: PicturesSection = PicturesSection()
    retention: RetentionSection = RetentionSection()
    digest: DigestSection = DigestSection()
    mail: MailSection = MailSection()
    canary: CanarySection = CanarySection()
    metrics: MetricsSection = MetricsSection()
    log: LogSection = LogSection()

    @model_validator(mode="after")
    def _listeners_exist_and_differ(self) -> "Config":
        if not self.listeners:
            raise ValueError("listeners: there must be at least one; leave it out for the default")
        for field in ("name", "address"):
            values = [getattr(listener, field) for listener in self.listeners]
            for value in {v for v in values if values.count(v) > 1}:
                raise ValueError(
                    f"listeners: two have the {field} {value!r}; give each listener its own"
                )
        return self
