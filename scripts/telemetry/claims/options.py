"""Which options are sent, and as which field."""

from dataclasses import dataclass

from telemetry.canaries import RESULT, TYPED
from telemetry.experiments import Command, Option
from telemetry.runs import Observation
from telemetry.trial import Claim, Evidence, Trial, outcome

# Fields that tell what an option led to, instead of its value.
FOLLOWS_FROM = {
    "--stripepy-hdf5": ("params.result_file_format_version",),
    "--with-biodescriptors": ("params.columns",),
}


@dataclass(frozen=True)
class Sent:
    """What became of one option.

    Attributes:
        option: The option.
        tried: The command lines that tried it.
        fields: Every field whose value it changed, with the values.
    """

    option: Option
    tried: tuple[str, ...]
    fields: tuple[tuple[str, tuple[str, ...]], ...]


def sent(evidence: Evidence) -> list[Sent]:
    """What became of every option of every subcommand; those without a run are left out."""
    return [
        found
        for command in evidence.commands
        if command.name in evidence.by_name
        for option in command.options
        if (found := _sent(evidence, command, option)).tried
    ]


def _sent(evidence: Evidence, command: Command, option: Option) -> Sent:
    runs = [
        evidence.by_name[name]
        for value in option.values
        if (name := option.run_name(value)) in evidence.by_name
    ]
    fields: dict[str, list[str]] = {}
    for seen in runs:
        plain = evidence.settled(_plain(evidence, command, seen))
        for name, value in evidence.settled(seen).items():
            if plain.get(name) != value and not _is_about_ending(evidence, name):
                fields.setdefault(name, []).append(value)
    return Sent(
        option,
        tuple(seen.run.command for seen in runs),
        tuple((name, tuple(dict.fromkeys(values))) for name, values in sorted(fields.items())),
    )


def _plain(evidence: Evidence, command: Command, seen: Observation) -> Observation:
    """The run to compare with: a download by name or assembly lists nothing.

    Nor may an option without which nothing runs offline be compared with a run that has it.
    """
    listing = "--list-only" in seen.run.argv
    tries_listing = seen.run.name == "option: download --list-only"
    if command.name == "download" and (tries_listing or not listing):
        return evidence.by_name["download: none so small"]
    companion = f"option: {command.name} --stripepy-hdf5 {RESULT}"
    if "--stripepy-hdf5" in seen.run.argv and seen.run.name != companion:
        return evidence.by_name[companion]
    return evidence.by_name[command.name]


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
    for command in trial.evidence.commands:
        if command.name not in trial.evidence.by_name and not command.unknown:
            continue
        trial.expect(
            not command.unknown,
            f"`{command.name}` has arguments that no experiment knows: {command.unknown}",
        )
        for option in command.options:
            trial.expect(
                (command.name, option.flag) in table,
                f"`{command.name} {option.flag}` is an option that no experiment tries",
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
    if any(command.name == "call" for command in trial.evidence.commands):
        together = trial.run("options of call together")
        names = set(trial.evidence.values(together))
        trial.expect(
            names == set(trial.evidence.values(trial.run("call"))),
            f"`{together.run.command}` sends other fields",
        )
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
        "Of the {options} options that StripePy's subcommands know, {sent} change what is"
        " sent, each in one field.",
        ("commands", "failures", "options"),
        every_option,
    ),
    Claim(
        "typed-name",
        "`stripepy download --name TEXT` sends TEXT as typed, also when there is no such data set.",
        ("failures",),
        typed_name,
        "StripePy notes the name before it looks whether there is such a data set.",
        "cli/download.py",
    ),
)
