"""The search finds whatever is planted, in any form, and nothing that is not."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.evidence import planted

EVERY = [*planted.PLANTED.values(), planted.TYPED]


@pytest.mark.parametrize("text", EVERY)
@given(before=st.binary(max_size=20), after=st.binary(max_size=20))
def test_base64_of_anything_around_a_planted_value_gives_it_away(
    text: str, before: bytes, after: bytes
) -> None:
    assert planted.found(text, base64.b64encode(before + text.encode() + after))


@pytest.mark.parametrize("text", EVERY)
def test_a_digest_gives_a_planted_value_away_even_cut_short(text: str) -> None:
    for algorithm in ("md5", "sha1", "sha256"):
        digest = hashlib.new(algorithm, text.encode())
        assert planted.found(text, digest.hexdigest()[:16].encode())
        assert planted.found(text, digest.digest())


@given(st.binary(max_size=2000))
def test_nothing_is_found_where_nothing_was_planted(data: bytes) -> None:
    assert not any(planted.found(text, data) for text in EVERY)


def test_no_planted_value_hides_in_another() -> None:
    for one in EVERY:
        for other in EVERY:
            assert one is other or not planted.found(one, other.encode())
