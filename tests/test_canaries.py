"""The detector: whatever is planted in any form is found, and nothing is that was not."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry import canaries

EVERY = [*canaries.PLANTED.values(), canaries.TYPED]


@pytest.mark.parametrize("text", EVERY)
def test_each_canary_is_found_in_each_form(text: str) -> None:
    for form, needle in canaries.forms(text):
        assert canaries.found(text, b"before" + needle + b"after"), form


@pytest.mark.parametrize("text", EVERY)
@given(before=st.binary(max_size=20), after=st.binary(max_size=20))
def test_base64_of_anything_around_a_canary_gives_it_away(
    text: str, before: bytes, after: bytes
) -> None:
    assert canaries.found(text, base64.b64encode(before + text.encode() + after))


@pytest.mark.parametrize("text", EVERY)
def test_a_digest_gives_a_canary_away_even_cut_short(text: str) -> None:
    for algorithm in ("md5", "sha1", "sha256"):
        digest = hashlib.new(algorithm, text.encode())
        assert canaries.found(text, digest.hexdigest()[:16].encode())
        assert canaries.found(text, digest.digest())


@given(st.binary(max_size=2000))
def test_nothing_is_found_where_nothing_was_planted(data: bytes) -> None:
    assert not any(canaries.found(text, data) for text in EVERY)


def test_no_canary_hides_in_another() -> None:
    for one in EVERY:
        for other in EVERY:
            assert one is other or not canaries.found(one, other.encode())
