"""A JPEG that is decoded at a half, quarter or eighth is the image that it is when decoded whole."""

import numpy as np
import pytest
from PIL import Image

from stylemap import decoding, resampling
from stylemap.decoding import colours

from .files import encoded, jpeg_of_size

# Levels. Both ways round to whole ones, so that they may be one apart
ROUNDED = 1
SLOPE = 20  # levels from one pixel of the result to the next: 0.05 pixels are one level


def ramp(height: int, width: int, side: int, length: int, block: tuple[int, int], seed: int = 0) -> np.ndarray:
    """uint8 [H, W, 3] up to whole blocks: waves of SLOPE in red along x and in green along y, noise where a block is padded."""
    rng = np.random.default_rng(seed)
    y, x = (np.arange(-(-n // b) * b) * side / length * SLOPE for n, b in ((height, block[1]), (width, block[0])))
    fold = lambda values: 20 + abs((values + 210) % 420 - 210)  # noqa: E731
    picture = np.stack(np.broadcast_arrays(fold(x)[None], fold(y)[:, None], 128), -1).astype(np.uint8)
    picture[height:] = rng.integers(0, 256, picture[height:].shape)
    picture[:, width:] = rng.integers(0, 256, picture[:, width:].shape)
    return picture


def differences(width: int, height: int, side: int, pad: bool, orientation: int, subsampling: int) -> np.ndarray:
    """Levels [side, side, 3] between a JPEG reduced and whole."""
    block = (8, 8) if subsampling == 0 else (16, 16)
    length = (max if pad else min)(height, width)
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = ramp(height, width, side, length, block)
    data = encoded(picture, "JPEG", quality=99, subsampling=subsampling, exif=exif)
    data = jpeg_of_size(data, width, height)
    return decoding.decode_square(data, side, pad=pad).astype(int) - resampling.fit(decoding.decode(data), side, pad)


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize(("width", "height"), [(512, 512), (513, 512), (512, 519), (340, 256), (256, 388), (257, 260)])
def test_nothing_is_displaced_and_no_padding_shows(width, height, orientation):
    for side, pad, subsampling in ((16, False, 0), (16, True, 0), (25, False, 0), (16, False, 2)):
        found = differences(width, height, side, pad, orientation, subsampling)
        # Half of the chroma samples: where a side is odd, the whole image's last ones hold padding themselves
        chroma = 3 if subsampling and (width % 2 or height % 2) else 0
        turns = 2  # where the waves turn within a pixel of the reduced image
        assert abs(found).max() <= ROUNDED + max(chroma, turns)
        # The mean over rows or columns rounds away all but a displacement: 0.05 pixels
        assert abs(found[..., 0].mean(0 if orientation < 5 else 1)).max() <= 0.05 * SLOPE + chroma


@pytest.mark.parametrize(
    ("width", "height", "subsampling", "expected"),
    [
        (1024, 1024, 2, 8),
        (1032, 1024, 0, 4),  # the square begins 4 pixels in
        (1024, 1000, 2, 2),  # 62.5 blocks of colour, which at a half stay whole
        (1024, 1000, 0, 4),  # 12 pixels in
        (1023, 1023, 0, 1),  # its last blocks are padded
        (1300, 1023, 0, 1),
    ],
)
def test_it_is_reduced_where_that_is_exact(monkeypatch, width, height, subsampling, expected):
    sizes, rgb = [], colours.rgb
    monkeypatch.setattr(decoding, "simplejpeg", None)
    monkeypatch.setattr(colours, "rgb", lambda picture: sizes.append(picture.size) or rgb(picture))
    decoding.decode_square(encoded(Image.new("RGB", (width, height)), "JPEG", subsampling=subsampling), 64)
    assert sizes == [(-(-width // expected), -(-height // expected))]
