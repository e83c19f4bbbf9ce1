"""How large pictures are, and how many tokens that is: vendors' own examples are the goldens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.dialects.images import WORST, Size, anthropic, gemini, kind_of, openai, size_of, typical, worst
from recordings import gif, jpeg, png, webp

sides = st.integers(1, 16_383)


@given(sides, sides, st.integers(0, 3))
def test_every_kind_tells_its_size(width: int, height: int, metadata: int) -> None:
    pictures = {
        "png": png(width, height),
        "jpeg": jpeg(width, height, metadata),
        "gif": gif(width, height),
        "webp": webp(b"VP8 ", width, height),
    }
    for kind, picture in pictures.items():
        assert (kind_of(picture), size_of(picture)) == (kind, Size(width, height))
    for form in (b"VP8L", b"VP8X"):
        assert size_of(webp(form, width, height)) == Size(width, height)


@given(st.binary(max_size=100), st.sampled_from([b"", png(1, 1)[:20], b"\xff\xd8\xff", b"GIF89a", b"RIFF0000WEBPVP8X"]))
def test_what_is_no_picture_has_no_size_or_one_within_reason(junk: bytes, opening: bytes) -> None:
    size = size_of(opening + junk)
    assert size is None or min(size) > 0


@pytest.mark.parametrize("picture", [png(0, 5), gif(5, 0), png(5, 5)[:23], jpeg(5, 5)[:78], b"", b"BM" + bytes(60)])
def test_a_picture_that_is_cut_or_has_no_pixels_has_no_size(picture: bytes) -> None:
    assert size_of(picture) is None


@pytest.mark.parametrize(
    ("size", "openai_tokens", "anthropic_tokens", "gemini_tokens"),
    [
        ((1024, 1024), 2520, 1369, 2240),  # 1,024 patches: times 2.46 for the smallest models, 1.2 for the largest
        ((4032, 3024), 14364, 4784, 6192),  # measured by others on GPT-6; 24 tiles of 768 px
        ((1920, 1080), 3779, 2691, 2240),  # Anthropic's own example; 1,536 patches times 2.46
        ((200, 200), 255, 64, 2240),  # one tile: 85 + 170; Anthropic's own example
        ((30_000, 20_000), 36_000, 4784, 36_000),
    ],
)
def test_each_vendor_counts_in_its_own_way(
    size: tuple[int, int], openai_tokens: int, anthropic_tokens: int, gemini_tokens: int
) -> None:
    seen = Size(*size)
    assert (openai(seen), anthropic(seen), gemini(seen)) == (openai_tokens, anthropic_tokens, gemini_tokens)
    assert worst(seen) == max(openai_tokens, anthropic_tokens, gemini_tokens)


def test_many_tiles_cost_more_than_the_newest_models_take() -> None:
    assert gemini(Size(3072, 3072)) == 258 * 16


@given(st.integers(1, 1 << 31), st.integers(1, 1 << 31))
def test_no_picture_costs_more_than_the_worst_nor_less_than_is_likely(width: int, height: int) -> None:
    size = Size(width, height)
    assert 0 < typical(size) <= worst(size) <= WORST == worst(None)
