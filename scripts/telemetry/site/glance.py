"""At a glance: the answers that most readers look for, each with the sentence behind it."""

from typing import NamedTuple

from docutils.nodes import Node
from docutils.parsers.rst import DirectiveError

from telemetry.records.claims import Verdict
from telemetry.records.exits import UserError
from telemetry.site import markup
from telemetry.site.content import Content
from telemetry.site.page import Page
from telemetry.site.sentences import mark

LIMIT = Verdict.KNOWN_LIMIT

FIX = "correct ANSWERS in scripts/telemetry/site/glance.py"


class Ground(NamedTuple):
    """A claim or statement that an answer rests on, and the words that it must contain.

    In `words`, " … " separates parts, each of which must occur; a claim must have the verdict, too.
    """

    name: str
    words: str
    verdict: Verdict = Verdict.HOLDS


class Answer(NamedTuple):
    """One line of the card, and what it sums up."""

    question: str
    text: str
    grounds: list[Ground]


ANSWERS: dict[str, tuple[str, *tuple[Ground, ...]]] = {
    "On by default": ("yes", Ground("one-span", "Each run of a `stripepy` … sends")),
    "Sent to": (
        "{fact:collector.managed_by}",
        Ground("stated.controller", "{fact:collector.managed_by} manage"),
    ),
    "How often": ("once per run", Ground("one-span", "Each run … one message")),
    "First-run notice": ("none", Ground("no-notice", "does not tell its users", LIMIT)),
    "Status command": (
        "none",
        Ground("no-status-command", "no option … tells whether it is on", LIMIT),
    ),
    "Results published": (
        "not stated",
        Ground("not_stated.results", "not stated whether any results are published"),
    ),
    "Off switch": (
        "{fact:switches}, set to any value",
        Ground("off-by-presence", "{fact:switches} switches telemetry off … any value counts"),
    ),
    "Identifiers": (
        "new for each run, so none links two runs",
        Ground("random-identifiers", "No two runs share an identifier"),
    ),
    "Files, user, machine": (
        "their names are not sent, nor are those of chromosomes",
        Ground(
            "nothing-planted",
            "None of these is sent … names of files … chromosomes … user's … machine's name",
        ),
    ),
    "Network address": (
        "not in the message, but the receiver sees it",
        Ground("no-place", "The message holds no network address"),
        Ground("not_stated.network_address", "not stated whether the network address is kept"),
    ),
    "Delay": (
        "{fact:delay.answers}; {fact:delay.any} if the collector is unreachable",
        Ground("delay-none", "If the collector answers … {fact:delay.answers} later"),
        Ground("delay-seconds", "If the collector cannot be reached … {fact:delay} later", LIMIT),
        Ground(
            "delay-name-server",
            "If the name server never answers … {fact:delay.name-server} later",
            LIMIT,
        ),
    ),
    "Kept for": (
        "{fact:dashboard.retention} on a dashboard; in a backup {fact:backup.retention}",
        Ground("stated.dashboard_retention", "dashboard keeps … {fact:dashboard.retention}"),
        Ground("stated.backup_retention", "backup keeps … {fact:backup.retention}"),
    ),
    "Last verified": (
        (
            "{fact:verified}, StripePy {fact:stripepy}, opentelemetry-sdk {fact:sdk},"
            " commit {fact:commit}"
        ),
    ),
}
"""By question: the text, in which backticks enclose code, and what it rests on."""


def answers(content: Content) -> list[Answer]:
    """Fill in the card's facts; raise a UserError if a ground no longer supports its answer."""
    typed = (Answer(question, text, grounds) for question, (text, *grounds) in ANSWERS.items())
    try:
        return [answer._replace(text=_text(content, answer)) for answer in typed]
    except DirectiveError as error:
        raise UserError(f"at a glance, {error.msg}", FIX) from None


def _text(content: Content, answer: Answer) -> str:
    for ground in answer.grounds:
        claim = content.verification.claim(ground.name)
        if claim and claim.verdict is Verdict.NOT_TRIED:
            return "not tested here"
        told = content.sentences.get(ground.name, "nothing")
        words = content.filled(ground.words).split(" … ")
        verdict = claim.verdict if claim else ground.verdict
        if verdict is not ground.verdict or not all(w in content.filled(told) for w in words):
            says = f"{answer.question!r} rests on {ground.name} ({verdict}), which says: {told}"
            raise UserError(f"at a glance, {says}", FIX)
    return content.filled(answer.text)


def show_glance(page: Page) -> list[Node]:
    told = []
    for answer in answers(page.content):
        marks = (mark(page, ground.name) for ground in answer.grounds)
        told.append((answer.question, markup.joined([page.prose(answer.text), *marks], " ")))
    return [markup.definitions(told, "facts glance")]
