"""What only StripePy's maintainers can vouch for, and what nobody has stated."""

import string

from telemetry.records import documents, files
from telemetry.records.exits import UserError


class Stated(string.Template):
    """A text in which `${section.key}` stands for what the maintainers state."""

    braceidpattern = r"[a-z_.]+"


def load() -> dict[str, str]:
    """Read the statements, by "section.key", each filled in.

    The section `stated` holds sentences, `not_stated` what nobody has said; the others hold the
    facts that they are made of.
    """
    read = {
        f"{section}.{key}": str(value)
        for section, entries in documents.read_toml(files.DATA_HANDLING).items()
        for key, value in entries.items()
    }
    stated = {}
    for name, text in read.items():
        try:
            stated[name] = Stated(text).substitute(read)
        except (KeyError, ValueError) as error:
            message = f"{files.shown(files.DATA_HANDLING)}: {name}: there is no {error}"
            raise UserError(message, "correct the sentence") from None
    return stated
