"""What only StripePy's maintainers can vouch for, and what nobody has stated."""

from telemetry.records import documents, files


def load() -> dict[str, str]:
    """Read the statements, by "section.key".

    The section `stated` holds sentences, `not_stated` what nobody has said; the others hold the
    facts that they are made of: in a sentence, `{fact:section.key}` stands for one.
    """
    return {
        f"{section}.{key}": str(value)
        for section, entries in documents.read_toml(files.DATA_HANDLING).items()
        for key, value in entries.items()
    }
