"""Which options are sent, and as which field."""

from telemetry.evidence.judging import Evidence, Trial, claim, outcome
from telemetry.evidence.planted import RESULT, TYPED
from telemetry.evidence.subcommands import Option, Subcommand, together_name
from telemetry.records.runs import Observation

# Options whose field holds what they led to instead of their value.
LEADING = ("stripepy_hdf5", "with_biodescriptors")


def sent(evidence: Evidence) -> dict[Option, dict[str, list[str]]]:
    """Return the fields that each option changes; options that no run tests are left out."""
    return {
        option: fields
        for subcommand in evidence.subcommands
        if subcommand.name in evidence.by_name
        for option in subcommand.options
        if (fields := _fields(evidence, subcommand, option)) is not None
    }


def _fields(
    evidence: Evidence, subcommand: Subcommand, option: Option
) -> dict[str, list[str]] | None:
    """Return what an option changes; tested with others, only its own field. None if untested."""
    fields: dict[str, list[str]] = {}
    together = evidence.by_name.get(together_name(subcommand.name))
    alone = map(evidence.by_name.get, map(option.run_name, option.values))
    if runs := [seen for seen in alone if seen]:
        for seen in runs:
            for name, value in _changed(evidence, subcommand, seen).items():
                fields.setdefault(name, []).append(value)
    elif together is None or option.flag not in together.run.argv:
        return None
    elif own := _changed(evidence, subcommand, together).get(option.field):
        fields[option.field] = [own]
    return fields


def _changed(evidence: Evidence, subcommand: Subcommand, seen: Observation) -> dict[str, str]:
    """Return the fields whose value a run changed, except those about how it went."""
    plain = evidence.settled(_plain(evidence, subcommand, seen))
    # An option can make a run fail.
    ending = {n for n, entry in evidence.dictionary.items() if entry.category == "execution"}
    return {
        name: value
        for name, value in evidence.settled(seen).items()
        if plain.get(name) != value and name not in ending
    }


def _plain(evidence: Evidence, subcommand: Subcommand, seen: Observation) -> Observation:
    """Return the run to compare with: as a rule, the subcommand's plain one.

    The plain download has `--list-only`, so the test of that option, and those of options that
    exclude it, need another. Tests with `--stripepy-hdf5` are compared with that option's own.
    """
    listing = "--list-only" in seen.run.argv
    tests_listing = seen.run.name == "option: download --list-only"
    if subcommand.name == "download" and (tests_listing or not listing):
        return evidence.by_name["download: none so small"]
    companion = f"option: {subcommand.name} --stripepy-hdf5 {RESULT}"
    if "--stripepy-hdf5" in seen.run.argv and seen.run.name != companion in evidence.by_name:
        return evidence.by_name[companion]
    return evidence.by_name[subcommand.name]


def _is_one_of(sent: str, typed: tuple[str, ...]) -> bool:
    """Whether a value that was sent is one that was typed; a flag is true or false."""
    if typed == ("",):
        return sent in {"true", "false"}
    return sent in typed or sent.removesuffix(".0") in typed


@claim(
    "Of the {options} options of StripePy's subcommands, {sent} change the message, one field"
    " each.",
    ("commands", "failures", "options"),
)
def options(trial: Trial) -> None:
    trial.runs("options")
    made = [s for s in trial.evidence.subcommands if s.name in trial.evidence.by_name]
    table = sent(trial.evidence)
    for subcommand in trial.evidence.subcommands:
        trial.expect(
            not subcommand.unknown,
            f"`{subcommand.name}` has arguments that no condition knows: {subcommand.unknown}",
        )
    for subcommand in made:
        for option in subcommand.options:
            trial.expect(
                option in table,
                f"`{subcommand.name} {option.flag}` is an option that no condition tests",
            )
    for option, fields in table.items():
        trial.counts["options"] += 1
        # An option may change only its own field, and only to its own value.
        for name, values in fields.items():
            as_typed = all(_is_one_of(value, option.values) for value in values)
            trial.expect(
                name == option.field and (as_typed or option.dest in LEADING),
                f"`{option.subcommand} {option.flag}` is sent as {name} = {values}",
            )
    # Together, options may change only what one of them changes by itself, or as its own field.
    explained = {
        (name, value)
        for fields in table.values()
        for name, values in fields.items()
        for value in values
    }
    for subcommand in made:
        if (name := together_name(subcommand.name)) in trial.evidence.by_name:
            seen = trial.run(name)
            trial.expect_message(seen)
            other = {*_changed(trial.evidence, subcommand, seen).items()} - explained
            trial.expect(not other, f"`{seen.run.command}` changes {dict(sorted(other))}")
    of = {option.flag for option in table}
    as_field = {option.flag for option, fields in table.items() if fields}
    trial.facts |= {"options": str(len(of)), "sent": str(len(as_field))}


@claim(
    "`stripepy download --name TEXT` sends TEXT as typed, even if there is no such data set.",
    ("failures",),
    reason="StripePy records the name before it checks whether there is such a data set.",
    source="cli/download.py",
)
def typed_name(trial: Trial) -> None:
    seen = trial.run("download: no such data set")
    value = trial.evidence.values(seen).get("params.dataset_name")
    trial.expect(
        value == TYPED and outcome(seen) == "failure", f"`{seen.run.command}` sends {value}"
    )
