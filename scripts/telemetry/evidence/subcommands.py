"""StripePy's subcommands and options, as its own parser describes them, with values to test."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from telemetry.evidence.planted import MATRIX, PLANTED, RESULT, TYPED

RESOLUTION = "10000"
PLOT = PLANTED["the plot's name"] + ".png"
LOG = PLANTED["the log's name"] + ".txt"
FIGURES = PLANTED["the plots' folder"]
REGION = PLANTED["the first chromosome's name"] + ":0-2000000"
OTHER = "ZqxGröße 2.hdf5"
"""A name as users choose them: with a space and with letters that are not ASCII."""

LIST = ("download", "--list-only")
"""The quickest command that sends its message."""

# The value of each positional argument, by the parser's name for it.
POSITIONAL = {
    "contact-map": f"{MATRIX}.hic",
    "resolution": RESOLUTION,
    "stripepy-hdf5": RESULT,
    "h5_file": RESULT,
    "output-name": PLOT,
}

# What a subcommand needs in order to succeed without a network.
OFFLINE = {"download": LIST[1:]}

# Values for options whose type alone does not say what they accept, by `dest`.
VALUES = {
    "assembly": ("hg38",),
    "cmap": ("plasma",),
    "dpi": ("37",),
    "genomic_belt": ("1234567",),
    "log_file": (LOG,),
    "max_width": ("123457",),
    "min_chrom_size": ("2345678",),
    "name": (TYPED,),
    "normalization": ("NONE",),
    "nproc": ("2",),
    "output_file": (OTHER,),
    "output_path": ("ZqxOther.hic",),
    "plot_dir": (FIGURES,),
    "region": (REGION,),
    "stripepy_hdf5": (RESULT,),
}

# What some options need beside them in order to make sense, or to stay off the network.
COMPANIONS = {
    "roi": ("--plot-dir", FIGURES),
    "assembly": ("--max-size", "0.001"),
    "highlight_seeds": ("--stripepy-hdf5", RESULT),
    "highlight_stripes": ("--stripepy-hdf5", RESULT),
}

# Options that cannot be combined with what `OFFLINE` adds.
ALONE = frozenset({"assembly", "name"})

FIELDS = {
    "name": "params.dataset_name",
    "stripepy_hdf5": "params.result_file_format_version",
    "with_biodescriptors": "params.columns",
}
"""The field that an option is sent as, by `dest`, where that does not give the field's name."""


@dataclass(frozen=True)
class Option:
    """An option as the program's own parser describes it."""

    subcommand: str  # the subcommand that has it
    flag: str  # its long form
    dest: str  # the parser's name for it
    # Values to test: one empty text for an option that takes none, and no values if we know of none
    # that it accepts.
    values: tuple[str, ...]
    default: object  # its default value, if that is a number or a truth value
    excludes: tuple[str, ...]  # the parser's names for options that it excludes
    field: str  # the documented field that it is sent as; empty if it is not sent

    @property
    def is_distinct(self) -> bool:
        """Whether its value identifies it among the options that it is tested with."""
        return self.values != ("",) and not any(self.flag in words for words in COMPANIONS.values())

    def run_name(self, value: str) -> str:
        """Return the name of the run that tests a value."""
        return f"option: {self.subcommand} {self.flag} {value}".strip()


@dataclass(frozen=True)
class Subcommand:
    """A subcommand as the program's own parser describes it."""

    name: str  # its name, with the kind for plots, as in "plot cm"
    base: tuple[str, ...]  # arguments with which it succeeds without a network, if all are known
    options: tuple[Option, ...]  # its options, except for `--help`
    unknown: tuple[str, ...]  # positional arguments for which no value is known
    same_as: str  # the last of its names; empty if this is it

    def argv(self, *words: str) -> tuple[str, ...]:
        """Return the arguments with which it succeeds, followed by further ones."""
        return (*self.base, *words)


def known(parser: Sequence[Mapping[str, Any]], fields: Container[str]) -> list[Subcommand]:
    """Make subcommands from what the watcher recorded of the parser.

    Args:
        parser: The parser, command by command.
        fields: Names of the fields that the dictionary describes.
    """
    last = {entry["parser"]: " ".join(entry["words"]) for entry in parser}
    return [_subcommand(e, last[e["parser"]], fields) for e in parser if not e["group"]]


def program_flags(parser: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return every option of the program itself, as written."""
    return [
        flag
        for entry in parser
        if not entry["words"]
        for option in entry["options"]
        for flag in option["flags"]
    ]


def _subcommand(entry: Mapping[str, Any], last_name: str, fields: Container[str]) -> Subcommand:
    words = tuple(entry["words"])
    name = " ".join(words)
    arguments, unknown = list[str](), list[str]()
    options = list[Option]()
    for described in entry["options"]:
        if described["flags"]:
            if described["kind"] != "HelpAction":
                options.append(_option(name, described, fields, len(options)))
        elif described["dest"] in POSITIONAL:
            argument = POSITIONAL[described["dest"]]
            # Under its other name, a plot is written as .jpg; neither format holds a time.
            another = argument.replace(".png", ".jpg")
            arguments.append(argument if name == last_name else another)
        else:
            unknown.append(described["dest"])
    # A coarse picture is drawn faster.
    quick = ("--dpi", "20") if any(option.flag == "--dpi" for option in options) else ()
    base = (*words, *arguments, *OFFLINE.get(name, ()), *quick)
    same_as = "" if name == last_name else last_name
    return Subcommand(name, base, tuple(options), tuple(unknown), same_as)


def _option(
    subcommand: str, described: Mapping[str, Any], fields: Container[str], number: int
) -> Option:
    values: tuple[str, ...]
    if described["kind"] in {"StoreTrueAction", "StoreFalseAction"}:
        values = ("",)
    elif described["dest"] in VALUES:
        values = VALUES[described["dest"]]
    elif described["choices"]:
        values = tuple(choice for choice in described["choices"] if choice != "None")
    else:
        accepts: Mapping[str, str] = described["accepts"]
        numeric = [
            text for text in ("0.37", "37") if accepts.get(text, "").removesuffix(".0") == text
        ]
        # A number that no other option has, and odd: the final 0 of 0.40 would not be sent.
        own = str(37 + 2 * number)
        values = tuple(text.replace("37", own) for text in numeric[:1])
        values = values or (("ZqxOption",) if "zqx" in accepts else ())
    field = FIELDS.get(described["dest"], f"params.{described['dest']}")
    return Option(
        subcommand=subcommand,
        flag=max(described["flags"], key=len),
        dest=str(described["dest"]),
        values=values,
        default=described["default"],
        excludes=tuple(described["excludes"]),
        field=field if field in fields else "",
    )


def together_name(subcommand: str) -> str:
    """Return the name of the run that tests the options of a subcommand at once."""
    return f"options of {subcommand} together"


def together(subcommand: Subcommand, number: int) -> dict[str, str]:
    """Return the options that go together, with a value for each.

    The number chooses the value of each option that is not sent.
    """
    values: dict[str, str] = {}
    excluded = set(ALONE)
    for option in subcommand.options:
        if option.values and option.dest not in excluded:
            chosen = 0 if option.field else number % len(option.values)
            values[option.flag] = option.values[chosen]
            excluded |= {option.dest, *option.excludes}
    return values


def option_argv(subcommand: Subcommand, option: Option, value: str) -> tuple[str, ...]:
    """Return the command line that tests an option."""
    base = tuple(subcommand.name.split()) if option.dest in ALONE else subcommand.argv()
    return (*base, *as_typed({option.flag: value}), *COMPANIONS.get(option.dest, ()))


def as_typed(options: Mapping[str, str]) -> Iterator[str]:
    """Yield options as they are typed, each with its value, if it has one."""
    return filter(None, chain.from_iterable(options.items()))
