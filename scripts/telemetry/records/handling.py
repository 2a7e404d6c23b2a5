"""What only StripePy's maintainers can vouch for, and what nobody has stated."""

from telemetry.records import documents, files


def load() -> dict[str, str]:
    """Read the statements and facts, by "section.key".

    The sections `stated` and `not_stated` hold sentences; the others hold facts, for which
    `{fact:section.key}` stands in a sentence.
    """
    return {
        f"{section}.{key}": str(value)
        for section, entries in documents.read_toml(files.DATA_HANDLING).items()
        for key, value in entries.items()
    }
