"""What only StripePy's maintainers can vouch for, and what nobody has stated."""

from pydantic import RootModel

from telemetry.records import documents, files

Sections = RootModel[dict[str, dict[str, str]]]


def load() -> dict[str, str]:
    """Read the statements and facts, by "section.key".

    The sections `stated` and `not_stated` hold sentences; the others hold facts, for which
    `{fact:section.key}` stands in a sentence.
    """
    path, fix = files.DATA_HANDLING, "correct the line"
    sections = documents.validated(Sections, documents.read_toml(path), path, fix).root
    return {
        f"{section}.{key}": text
        for section, entries in sections.items()
        for key, text in entries.items()
    }
