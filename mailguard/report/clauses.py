"""What each policy clause says, in a few words, for people who do not have the policy at hand.

Symphony's letters count the bullets of 3.1.2, 3.1.4 and 3.1.5 in order; Allesley's policy has no
numbers, so its clauses have names. ``docs/rules.md`` has the same table, and a test compares them.
"""

POLICIES = {"symphony": "Symphony Learning Trust", "allesley": "Allesley Primary"}

CLAUSES = {
    "symphony:3.1.2a": "indecent images of children",
    "symphony:3.1.2b": "promoting discrimination of any kind",
    "symphony:3.1.2c": "promoting racial or religious hatred",
    "symphony:3.1.2d": "promoting illegal acts",
    "symphony:3.1.2e": "other information that may offend peers or colleagues",
    "symphony:3.1.4a": "reported to the police: images of child abuse",
    "symphony:3.1.4b": "reported to the police: obscene adult material",
    "symphony:3.1.4c": "reported to the police: criminally racist or anti-religious material",
    "symphony:3.1.4d": "reported to the police: violence and bomb making",
    "symphony:3.1.4e": "reported to the police: taking or promoting drugs",
    "symphony:3.1.4f": "reported to the police: software piracy",
    "symphony:3.1.4g": "reported to the police: other criminal activity",
    "symphony:3.1.5a": "no private business",
    "symphony:3.1.5c": "nothing defamatory, nothing that harms the school's image",
    "symphony:3.1.5d": "no commercial software or copyrighted material",
    "symphony:3.1.5e": (
        "no revealing of confidential, financial or personal information, databases or access codes"
    ),
    "symphony:3.1.5f": "no viruses, no sustained high volume",
    "symphony:3.1.5h": "no unsolicited commercial or advertising material",
    "symphony:3.1.5i": "no help with unauthorised access",
    "symphony:3.1.5j": "no waste of staff effort, no disruption, no invasion of others' privacy",
    "symphony:3.1.5k": "mobile technologies not used to intimidate, threaten or cause harm",
    "symphony:6.1.3": "support for pupils who have been harmed, for instance by bullying",
    "allesley:child-sexual-abuse-images": "unsuitable activities: child sexual abuse images",
    "allesley:confidential-information": (
        "unsuitable activities: revealing confidential information, databases, passwords"
    ),
    "allesley:copyright": (
        "unsuitable activities: software and copyrighted material without a licence"
    ),
    "allesley:cyber-bullying": "dangers: cyber-bullying; key advice on it",
    "allesley:discrimination": "unsuitable activities: promotion of any kind of discrimination",
    "allesley:forwarding": "anti-cyberbullying code 1: do not forward a nasty message or picture",
    "allesley:grooming": "dangers: being subject to grooming",
    "allesley:high-volume": "unsuitable activities: high-volume traffic",
    "allesley:illegal-acts": "unsuitable activities: promotion or conduct of illegal acts",
    "allesley:images-without-consent": (
        "dangers: sharing personal images without consent or knowledge"
    ),
    "allesley:offensive-or-disrepute": (
        "unsuitable activities: what may offend colleagues or bring the school into disrepute"
    ),
    "allesley:official-email-only": (
        "good practice: only official addresses identify staff; use only the school's e-mail"
    ),
    "allesley:online-gambling": "unsuitable activities: on-line gambling",
    "allesley:passwords": (
        "technical: users keep their password; code 3: treat it like a toothbrush"
    ),
    "allesley:personal-details": "good practice: risks attached to the use of personal details",
    "allesley:pornography": "unsuitable activities: pornography",
    "allesley:private-business": (
        "unsuitable activities: using school systems to run a private business"
    ),
    "allesley:professional-tone": (
        "good practice: digital communication with pupils and parents is professional in "
        "tone and content"
    ),
    "allesley:racial-religious-hatred": (
        "unsuitable activities: promotion of racial or religious hatred"
    ),
    "allesley:racist-material": "unsuitable activities: criminally racist material",
    "allesley:report-uncomfortable-email": (
        "good practice: report e-mail that makes one uncomfortable, is offensive, "
        "threatening or bullying"
    ),
    "allesley:respect-others": "anti-cyberbullying code 1: always respect others",
    "allesley:security-breach": (
        "technical: protection from accidental or malicious attempts; report a breach of security"
    ),
    "allesley:strangers": "dangers: inappropriate contact with others, including strangers",
    "allesley:threatening-behaviour": (
        "unsuitable activities: threatening behaviour, including physical violence or mental harm"
    ),
    "allesley:viruses": (
        "unsuitable activities: creating or propagating viruses or other harmful files"
    ),
}


def describe_clause(clause: str) -> str:
    """``Symphony Learning Trust 3.1.5k – mobile technologies not used to …``.

    A clause of a school's own rules that is not known here stays as the rule names it.
    """
    policy, _, name = clause.partition(":")
    if clause not in CLAUSES:
        return clause
    where = f"{POLICIES[policy]}{f' {name}' if name[:1].isdigit() else ''}"
    return f"{where} – {CLAUSES[clause]}"
