"""How long recordings last, by what their headers tell."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.dialects.audio import kind_of, length_ms, tokens, told_ms
from recordings import flac, mp3, mp4, opus, vorbis, wav

RECORDINGS = {
    "wav": (wav(2.5), 2_500),
    "wav, of unknown length": (wav(2.5, told=0xFFFFFFFF), 2_500),
    "wav that claims to be short": (wav(2.5, told=2), 2_500),
    "flac": (flac(441_000, 44_100), 10_000),
    "opus": (opus(3.5), 3_500),
    "vorbis": (vorbis(3.5, 44_100), 3_500),
    "mp3 of one bit rate": (mp3(4), 4_000),
    "mp3 behind a tag": (mp3(4, tagged=True), 4_000),
    "mp3 of many bit rates": (mp3(1, frames=383), 10_005),
    "mp4": (mp4(5), 5_000),
    "mp4 of 64 bits": (mp4(5, long=True), 5_000),
}


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_header_tells_the_length(name: str) -> None:
    data, milliseconds = RECORDINGS[name]
    assert kind_of(data) == name.split()[0].strip(",").replace("opus", "ogg").replace("vorbis", "ogg")
    assert length_ms(data) == milliseconds


@pytest.mark.parametrize(
    "data",
    [
        b"\x1aE\xdf\xa3" + bytes(746),  # WebM
        flac(0, 44_100)[:750],  # a FLAC stream that was not finished
        mp4(5)[:750],  # fragmented: the header comes later
        mp4(0) + bytes(10),
        b"\xff\xf1\x50\x80" + bytes(746),  # AAC: looks like MP3, has no such layer
        opus(0)[:750],
    ],
)
def test_where_no_header_tells_it_the_bytes_bound_it(data: bytes) -> None:
    assert told_ms(data) is None
    assert length_ms(data) == -(-len(data) * 1_000 // 750)


def test_a_length_that_no_bytes_can_hold_is_not_believed() -> None:
    assert told_ms(flac((1 << 36) - 1, 44_100)) is None


@given(st.binary(max_size=300), st.sampled_from([b"", *(data[:60] for data, _ in RECORDINGS.values())]))
def test_garbage_has_a_length_that_its_bytes_bound(junk: bytes, opening: bytes) -> None:
    data = opening + junk
    assert 0 <= length_ms(data) <= 1_334 * len(data)


def test_a_second_of_sound_is_so_many_tokens_and_a_part_of_one_is_rounded_up() -> None:
    assert (tokens(1_000), tokens(1), tokens(0)) == (32, 1, 0)
