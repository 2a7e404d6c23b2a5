"""At a glance: the answers that most readers look for, each with the sentence behind it."""

from dataclasses import dataclass

from docutils.nodes import Node

from telemetry.site import markup
from telemetry.site.content import Content
from telemetry.site.page import Page
from telemetry.site.sentences import mark


@dataclass(frozen=True)
class Answer:
    """One line of the card.

    Attributes:
        question: What is asked.
        text: The answer in a few words; code stands between backticks.
        sentences: The claims and statements that it sums up, by name.
    """

    question: str
    text: str
    sentences: tuple[str, ...]


ANSWERS = (
    Answer("On by default", "yes", ("one-span",)),
    Answer("Switch", "`STRIPEPY_NO_TELEMETRY`, set to any value", ("off-by-presence",)),
    Answer("When it sends", "once in each run", ("one-span",)),
    Answer("Identifiers", "new ones in each run, which link no two runs", ("random-identifiers",)),
    Answer("Names in your files", "not sent", ("nothing-planted",)),
    Answer(
        "Network address",
        "not in the message; every connection shows it",
        ("fields", "not_stated.network_address"),
    ),
    Answer(
        "What it costs",
        "less than a second; {fact:delay} if the collector is out of reach",
        ("delay-none", "delay-seconds"),
    ),
    Answer(
        "Kept for",
        "{fact:dashboard.retention} on a dashboard; in a backup {fact:backup.retention}",
        ("stated.dashboard_retention", "stated.backup_retention"),
    ),
    Answer("Results published", "not stated", ("not_stated.results",)),
    Answer(
        "Last verified",
        "{fact:verified}, StripePy {fact:stripepy}, opentelemetry-sdk {fact:sdk},"
        " commit {fact:commit}",
        (),
    ),
)


def answers(content: Content) -> list[Answer]:
    """The card, with its facts filled in."""
    return [Answer(a.question, content.filled(a.text), a.sentences) for a in ANSWERS]


def glance(page: Page) -> list[Node]:
    """The card."""
    told = [
        (
            answer.question,
            markup.joined(
                [page.prose(answer.text), *(mark(page, name) for name in answer.sentences)], " "
            ),
        )
        for answer in answers(page.content)
    ]
    return [markup.definitions(told, "facts glance")]
