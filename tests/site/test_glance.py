"""At a glance: no answer outlives the record that it rests on."""

from dataclasses import replace

import pytest

from telemetry.records.claims import Verdict
from telemetry.records.exits import UserError
from telemetry.site import content
from telemetry.site.content import Content
from telemetry.site.glance import ANSWERS, answers

PAGES = content.read()
GROUNDS = [(question, g.name) for question, (_, *grounds) in ANSWERS.items() for g in grounds]


def changed(name: str, **update: str) -> Content:
    """The content, with another verdict or sentence for one claim or statement."""
    claims = [c.model_copy(update=update) if c.id == name else c for c in PAGES.verification.claims]
    stated = {n: update.get("sentence", s) if n == name else s for n, s in PAGES.handling.items()}
    verified = PAGES.verification.model_copy(update={"claims": claims})
    return replace(PAGES, verification=verified, handling=stated)


@pytest.mark.parametrize(("question", "name"), GROUNDS)
def test_other_words_or_another_verdict_refuse_an_answer_and_none_leaves_it_open(
    question: str, name: str
) -> None:
    refused: list[dict[str, str]] = [{"sentence": "Something else is said."}]
    if claim := PAGES.verification.claim(name):
        verdicts = {Verdict.HOLDS, Verdict.KNOWN_LIMIT} - {claim.verdict}
        refused += [{"verdict": verdict} for verdict in verdicts]
        told = {a.question: a.text for a in answers(changed(name, verdict=Verdict.NOT_TRIED))}
        assert told[question] == "not tested here"
    for update in refused:
        with pytest.raises(UserError, match=name):
            answers(changed(name, **update))


def test_each_answer_rests_on_a_sentence_or_on_facts() -> None:
    assert [q for q, (text, *g) in ANSWERS.items() if not g and "{fact:" not in text] == []


def test_an_answer_with_a_fact_that_is_gone_is_refused() -> None:
    kept = {name: text for name, text in PAGES.handling.items() if name != "backup.retention"}
    kept["stated.backup_retention"] = "The backup keeps data for ever."
    with pytest.raises(UserError, match=r"at a glance, no fact 'backup\.retention'; there are: "):
        answers(replace(PAGES, handling=kept))


def test_a_variable_that_no_longer_switches_off_is_not_named() -> None:
    assert PAGES.facts["switches"] == "`STRIPEPY_NO_TELEMETRY` or `NO_TELEMETRY`"
    switches = [
        switch.model_copy(update={"sending": ["call"]})
        if (switch.variable, switch.value) == ("NO_TELEMETRY", "0")
        else switch
        for switch in PAGES.verification.switches
    ]
    verified = PAGES.verification.model_copy(update={"switches": switches})
    weaker = replace(PAGES, verification=verified)
    assert weaker.facts["switches"] == "`STRIPEPY_NO_TELEMETRY`"
    with pytest.raises(UserError, match="off-by-presence"):
        answers(weaker)
