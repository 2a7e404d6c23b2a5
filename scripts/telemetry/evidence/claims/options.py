"""Which options are sent, and as which field."""

from dataclasses import dataclass

from telemetry.evidence.conditions import Option, Subcommand, together_name
from telemetry.evidence.judging import Claim, Evidence, NotMade, Trial, outcome
from telemetry.evidence.planted import RESULT, TYPED
from telemetry.records.runs import Observation

# Fields that tell what an option led to, instead of its value.
FOLLOWS_FROM = {
    "--stripepy-hdf5": ("params.result_file_format_version",),
    "--with-biodescriptors": ("params.columns",),
}


@dataclass(frozen=True)
class Sent:
    """What became of one option."""

    option: Option  # the option
    tested: tuple[str, ...]  # the command lines that tested it
    # Every field whose value it changed, with the values.
    fields: tuple[tuple[str, tuple[str, ...]], ...]


def sent(evidence: Evidence) -> list[Sent]:
    """What became of every option of every subcommand; those without a run are left out."""
    return [
        found
        for subcommand in evidence.subcommands
        if subcommand.name in evidence.by_name
        for option in subcommand.options
        if (found := _sent_together(evidence, subcommand, option)).tested
    ]


def _sent_together(evidence: Evidence, subcommand: Subcommand, option: Option) -> Sent:
    """What became of an option; if others were tested with it, those that tested it alone tell."""
    alone = _sent(evidence, subcommand, option)
    together = _together(evidence, subcommand, option)
    if alone.tested or together is None:
        return alone
    elsewhere = [
        found
        for other in evidence.subcommands
        for same in other.options
        if same.flag == option.flag and (found := _sent(evidence, other, same)).tested
    ]
    if not elsewhere:
        return Sent(option, (), ())
    names = {name for found in elsewhere for name, _ in found.fields}
    changed = _changed(evidence, subcommand, together).items()
    fields = tuple((name, (value,)) for name, value in sorted(changed) if name in names)
    return Sent(option, (together.run.command,), fields)


def _together(evidence: Evidence, subcommand: Subcommand, option: Option) -> Observation | None:
    """The run that tested an option with others; None if none did."""
    seen = evidence.by_name.get(together_name(subcommand.name))
    return seen if seen and option.flag in seen.run.argv else None


def _changed(evidence: Evidence, subcommand: Subcommand, seen: Observation) -> dict[str, str]:
    """Every field whose value a run changed, those apart that tell how it ended."""
    plain = evidence.settled(_plain(evidence, subcommand, seen))
    return {
        name: value
        for name, value in evidence.settled(seen).items()
        if plain.get(name) != value and not _is_about_ending(evidence, name)
    }


def _sent(evidence: Evidence, subcommand: Subcommand, option: Option) -> Sent:
    runs = [
        evidence.by_name[name]
        for value in option.values
        if (name := option.run_name(value)) in evidence.by_name
    ]
    fields: dict[str, list[str]] = {}
    for seen in runs:
        for name, value in _changed(evidence, subcommand, seen).items():
            fields.setdefault(name, []).append(value)
    return Sent(
        option,
        tuple(seen.run.command for seen in runs),
        tuple((name, tuple(dict.fromkeys(values))) for name, values in sorted(fields.items())),
    )


def _plain(evidence: Evidence, subcommand: Subcommand, seen: Observation) -> Observation:
    """The run to compare with: a download by name or assembly lists nothing.

    Nor may an option without which nothing runs offline be compared with a run that has it.
    """
    listing = "--list-only" in seen.run.argv
    tests_listing = seen.run.name == "option: download --list-only"
    if subcommand.name == "download" and (tests_listing or not listing):
        return evidence.by_name["download: none so small"]
    companion = f"option: {subcommand.name} --stripepy-hdf5 {RESULT}"
    if "--stripepy-hdf5" in seen.run.argv and seen.run.name != companion in evidence.by_name:
        return evidence.by_name[companion]
    return evidence.by_name[subcommand.name]


def _is_about_ending(evidence: Evidence, name: str) -> bool:
    """Whether a field tells how a run ended: an option can make it fail."""
    return name in evidence.dictionary and evidence.dictionary[name].category == "execution"


def _is_one_of(sent: str, typed: tuple[str, ...]) -> bool:
    """Whether a value that was sent is one that was typed; a flag is true or false."""
    if typed == ("",):
        return sent in {"true", "false"}
    return sent in typed or sent.removesuffix(".0") in typed


def every_option(trial: Trial) -> None:
    trial.runs("options")
    table = {(s.option.subcommand, s.option.flag): s for s in sent(trial.evidence)}
    for subcommand in trial.evidence.subcommands:
        if subcommand.name not in trial.evidence.by_name and not subcommand.unknown:
            continue
        trial.expect(
            not subcommand.unknown,
            f"`{subcommand.name}` has arguments that no condition knows: {subcommand.unknown}",
        )
        elsewhere = [
            option
            for option in subcommand.options
            if _together(trial.evidence, subcommand, option)
            and not _sent(trial.evidence, subcommand, option).tested
        ]
        if elsewhere and not any((subcommand.name, option.flag) in table for option in elsewhere):
            raise NotMade(f"no run tests the options of `{subcommand.name}` by themselves")
        for option in subcommand.options:
            trial.expect(
                (subcommand.name, option.flag) in table,
                f"`{subcommand.name} {option.flag}` is an option that no condition tests",
            )
    for found in table.values():
        trial.counts["options"] += 1
        option = found.option
        # Whatever an option changes has to be one field, and its own value.
        trial.expect(
            len(found.fields) <= 1,
            f"`{option.subcommand} {option.flag}` changes {[name for name, _ in found.fields]}",
        )
        for name, values in found.fields:
            trial.expect(
                name in FOLLOWS_FROM.get(option.flag, ())
                or all(_is_one_of(value, option.values) for value in values),
                f"`{option.subcommand} {option.flag}` is sent as {name} = {values}",
            )
    for subcommand in trial.evidence.subcommands:
        if (name := together_name(subcommand.name)) in trial.evidence.by_name:
            seen = trial.run(name)
            trial.expect_message(seen)
            # The companion of an option changes what is sent, and has no run of its own here.
            attributed = {name for found in table.values() for name, _ in found.fields}
            other = sorted({*_changed(trial.evidence, subcommand, seen)} - attributed)
            trial.expect(not other, f"`{seen.run.command}` changes {other}")
    of = {s.option.flag for s in table.values()}
    as_field = {s.option.flag for s in table.values() if s.fields}
    trial.facts |= {"options": str(len(of)), "sent": str(len(as_field))}


def typed_name(trial: Trial) -> None:
    for seen in (trial.run("download: no such data set"),):
        value = trial.evidence.values(seen).get("params.dataset_name")
        trial.expect(
            value == TYPED and outcome(seen) == "failure", f"`{seen.run.command}` sends {value}"
        )


CLAIMS = (
    Claim(
        "options",
        "Of the {options} options of StripePy's subcommands, {sent} change the message, each of"
        " them one field.",
        ("commands", "failures", "options"),
        every_option,
    ),
    Claim(
        "typed-name",
        "`stripepy download --name TEXT` sends TEXT as typed, even if there is no such data set.",
        ("failures",),
        typed_name,
        "StripePy records the name before it checks whether there is such a data set.",
        "cli/download.py",
    ),
)
