"""Whose mail is not ours to judge: helplines, confidants, agencies, and a child asking for help.

These are hard rules 1 to 4. None of them looks at a header: what a message claims about itself,
``X-MailGuard-*`` included, exempts it from nothing.
"""

from collections.abc import Mapping

from mailguard.policy.taxonomy import Group
from mailguard.scan.finding import Category

HELPLINES = frozenset(
    {
        "beateatingdisorders.org.uk",
        "ceop.police.uk",
        "childline.org.uk",
        "educationsupport.org.uk",
        "giveusashout.org",
        "kooth.com",
        "meiccymru.org",
        "missingpeople.org.uk",
        "nationaldahelpline.org.uk",
        "nspcc.org.uk",
        "papyrus-uk.org",
        "rapecrisis.org.uk",
        "refuge.org.uk",
        "runawayhelpline.org.uk",
        "saferinternethelpline.org.uk",
        "samaritans.org",
        "stopitnow.org.uk",
        "switchboard.lgbt",
        "themix.org.uk",
        "youngminds.org.uk",
    }
)
"""Domains (with all below them). The NSPCC's whistle-blowing line is among them."""

CONFIDANTS = frozenset(
    {
        "acas.org.uk",
        "ascl.org.uk",
        "childlawadvice.org.uk",
        "citizensadvice.org.uk",
        "community-tu.org",
        "eis.org.uk",
        "equalityadvisoryservice.com",
        "estyn.gov.wales",
        "gmb.org.uk",
        "ico.org.uk",
        "ipsea.org.uk",
        "lgo.org.uk",
        "naht.org.uk",
        "nasuwt.org.uk",
        "neu.org.uk",
        "ofsted.gov.uk",
        "parliament.uk",
        "protect-advice.org.uk",
        "ucac.cymru",
        "unison.co.uk",
        "unison.org.uk",
        "unitetheunion.org",
        "voicetheunion.org.uk",
    }
)
"""Unions, legal advice, regulators, ombudsmen, members of parliament."""

AGENCIES = frozenset(
    {
        "cjsm.net",
        "gov.scot",
        "gov.uk",
        "gov.wales",
        "hscni.net",
        "nhs.net",
        "nhs.scot",
        "nhs.uk",
        "nhs.wales",
        "police.uk",
    }
)
"""Where a referral goes: councils and government, police, courts, health."""

BODIES: Mapping[str, Group] = {
    **dict.fromkeys(AGENCIES, Group.AGENCY),
    **dict.fromkeys(CONFIDANTS, Group.CONFIDANT),
    **dict.fromkeys(HELPLINES, Group.HELPLINE),
}
"""All of them; the longest domain that fits decides (``ofsted.gov.uk`` before ``gov.uk``)."""

_LADO = "lado"
"""The Local Authority Designated Officer, who hears allegations against staff, has a mailbox of
this name or prefix at each council, and no domain of their own."""


def is_lado(local_part: str) -> bool:
    """Whether a mailbox (lower case) at an agency is that of the LADO, e.g. ``lado.duty``."""
    return local_part.startswith(_LADO) or local_part.endswith(("." + _LADO, "-" + _LADO))


MEMBERS = (Group.STAFF, Group.GOVERNOR)
"""The adults of the school. They can look after themselves; children cannot (see `COUNTED`)."""

SAFE_FOR_PUPILS = frozenset({*MEMBERS, Group.PARENT, Group.HELPLINE, Group.AGENCY, Group.CONFIDANT})
"""Whom a child may turn to: staff, a known parent, a helpline. Police, health and social care are
here too, because a child who dares to write to them needs it most."""


def is_never_held(author: Group, recipient: Group) -> bool:
    """Hard rule 1: a child's message to somebody who can help is delivered at once, whatever it
    says; only malware and sealed imagery stop it.

    ``PUPIL`` is an author known from inside; a forged pupil is ``SPOOFED`` and gets no such favour.
    """
    return author is Group.PUPIL and recipient in SAFE_FOR_PUPILS


_MALWARE = frozenset({Category.MALWARE})
_ATTACKS = frozenset({Category.MALWARE, Category.PHISHING, Category.UNSCANNED})
_HARM_TO_A_CHILD = _ATTACKS | {
    Category.SEXUAL,
    Category.IMAGERY,
    Category.GROOMING,
    Category.EXTREMISM,
}

_CONFIDENTIAL = (Group.HELPLINE, Group.CONFIDANT)
_WRITERS = frozenset(Group) - {Group.SPOOFED, *_CONFIDENTIAL}

COUNTED: Mapping[tuple[Group, Group], frozenset[Category]] = {
    **{(author, recipient): _MALWARE for author in _WRITERS for recipient in _CONFIDENTIAL},
    **{(author, recipient): _ATTACKS for author in _CONFIDENTIAL for recipient in MEMBERS},
    (Group.HELPLINE, Group.PUPIL): _HARM_TO_A_CHILD,
}
"""Hard rules 2 and 3: for these relationships only these categories count at all.

The first line is mail to a helpline or confidant. The others are mail from an address that says it
is one, which anybody outside can write: a grown-up is still guarded against fraud, and a child
against what would harm a child."""


def is_confidential(author: Group, recipient: Group) -> bool:
    """Whether nobody at the school, the headteacher least of all, is to know of such mail."""
    return (author, recipient) in COUNTED


def is_proven_confidential(author: Group, recipient: Group) -> bool:
    """Whether that holds even when the message is stopped: it goes *to* a helpline or confidant."""
    return is_confidential(author, recipient) and recipient in _CONFIDENTIAL
