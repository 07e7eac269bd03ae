"""HEIC, what iPhones write: two small files made with pillow-heif from an image drawn here, read by the optional pi-heif."""

import base64
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stylemap import decoding, resampling
from stylemap.datasets import ImageFolder
from stylemap.errors import InputError

H, W = 32, 48
LOSS = 10  # levels; at quality 80 with halved colour these ramps come back within 8, and decoders differ a little
# The same image: as it is, and stored lying on its side with the orientation that turns it back (irot and EXIF 6)
PLAIN = """
AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAX1tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAACJpbG9jAAAAAERA
AAEAAQAAAAABoQABAAAAAAAAAOQAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAAAA5waXRtAAAAAAABAAAA/WlwcnAAAADdaXBjbwAA
AHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq
5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAADAAAAABAAAA
IAAAAAH////wAAAAAv///+AAAAACAAAAEHBpeGkAAAAAAwgICAAAABhpcG1hAAAAAAAAAAEAAQWBAgMFhAAAAOxtZGF0AAAA4CgBrwT47UzXIgBO59AZ
JNDO82A0eBTO0E++aVFwt+nYs/yN3a/UZ+Iv6aVZJ7O4BbL67S9BlY9eo3rgwFIh3AJ9ufHPxzH5NNkBArsuzzzrMAZYcZDl2DjVU+r+ms2iCRE+LI7U
f0Wf6ChDXA0m3ixfD7gCfgRdVNONEQXqSdw+RKxqYv97mPIKPXDy31ZVhxHANqY01RvkEi4jFYcum3qFstQ6e3UDCQFAZLvWDkd8YDPhYOp5+mSfH0ju
fOtXCXrFxBQi9LxsSUesu41AtLS9lalUs57FLzywnYC4G6we
"""
TURNED = """
AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAchtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAADRpbG9jAAAAAERA
AAIAAQAAAAAB7AABAAAAAAAAAPMAAgAAAAAC3wABAAAAAAAAACQAAAA4aWluZgAAAAAAAgAAABVpbmZlAgAAAAABAABodmMxAAAAABVpbmZlAgAAAQAC
AABFeGlmAAAAAA5waXRtAAAAAAABAAABB2lwcnAAAADmaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAA
AAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQANAAaA
AAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAACAAAAABAAAAMAAAAAH////gAAAAAv////AAAAACAAAAEHBpeGkAAAAAAwgICAAAAAlpcm90AwAA
ABlpcG1hAAAAAAAAAAEAAQaBAgMFhIYAAAAaaXJlZgAAAAAAAAAOY2RzYwACAAEAAQAAAR9tZGF0AAAA7ygBrwT47QHYXfjqE17PjX/3TJuIyCGhgPkY
8/ENX9OxOvePx7+K/9NHvciMNYYnBq1P9gvaZZBdoBWrLV0cwo3VyJJdaR2xZJGfSOsNw03KeFd1lToWfrlh/5dWZx3yPz6DSrxl4yLockodUf2ulV+u
5+f2mfyYW/dOcgIF7SxKFXw3Jz4XEeLaucPvEU5jAwydlOz8QxizaTV58H9CwZCU8BHQHYupZT3KxjcsJZCdTPLzxC3N4x73uE2rwY+Vjt4QbKSfnipG
FsIY11VQkHjk9AYI2PCCPnuYoPFMnD9Qf2uqzIFGvn3DXDQpv//+AAAABkV4aWYAAE1NACoAAAAIAAEBEgADAAAAAQAGAAAAAAAA
"""


def drawn() -> np.ndarray:
    """uint8 [32, 48, 3]: red grows downwards, green to the right."""
    y, x = np.mgrid[:H, :W]
    return np.stack([255 * y / (H - 1), 255 * x / (W - 1), np.full((H, W), 90)], -1).round().astype(np.uint8)


@pytest.fixture(params=["plain", "turned"])
def photo(request) -> bytes:
    return base64.b64decode({"plain": PLAIN, "turned": TURNED}[request.param])


class TestWithThePackage:
    @pytest.fixture(autouse=True)
    def _needs_it(self):
        pytest.importorskip("pi_heif")

    def test_pixels_are_upright(self, photo):
        out = decoding.decode(photo)
        assert out.dtype == np.uint8
        assert out.shape == (H, W, 3)
        assert abs(out.astype(int) - drawn()).max() <= LOSS

    def test_from_a_path(self, photo, tmp_path):
        (tmp_path / "IMG_0001.HEIC").write_bytes(photo)
        assert np.array_equal(decoding.decode(tmp_path / "IMG_0001.HEIC"), decoding.decode(photo))

    def test_load_is_fit_of_decode(self, photo):
        for side in (8, 32, 40):
            assert np.array_equal(decoding.decode_square(photo, side), resampling.fit(decoding.decode(photo), side))

    def test_check_reads_the_size(self, photo):
        assert decoding.read_size(photo) == (W, H)

    def test_description(self):
        plain, turned = (decoding.inspect(base64.b64decode(data)) for data in (PLAIN, TURNED))
        assert plain == decoding.FileInfo("HEIF", "RGB", W, H, turned=False, transparent=False, profile=False)
        assert turned == decoding.FileInfo("HEIF", "RGB", W, H, turned=True, transparent=False, profile=False)
        assert plain.plain
        assert not turned.plain

    def test_folder_of_a_phone(self, tmp_path):
        for name, data in (("IMG_1.HEIC", PLAIN), ("IMG_2.heif", TURNED)):
            (tmp_path / name).write_bytes(base64.b64decode(data))
        data = ImageFolder(tmp_path, 16)
        assert len(data) == 2
        assert abs(data[0].astype(int) - data[1]).max() <= 2 * LOSS

    @pytest.mark.parametrize("left", [12, 30, 200, 500])
    def test_cut_short(self, photo, left):
        with pytest.raises(InputError, match=r"^a\.heic is damaged or cut short \(.*\); copy or export it again$"):
            decoding.decode(photo[:left], "a.heic")

    def test_damage_anywhere_is_an_input_error_or_a_picture(self, photo):
        rng = np.random.default_rng(0)
        whole = np.frombuffer(photo, np.uint8)
        for _ in range(200):
            broken = whole[: rng.integers(1, len(whole) + 1)].copy()
            broken[rng.integers(0, len(broken), 3)] = rng.integers(0, 256, 3)
            try:
                assert decoding.decode_square(broken.tobytes(), 4).shape == (4, 4, 3)
                decoding.inspect(broken.tobytes())
            except InputError as err:
                assert "\n" not in str(err)

    def test_too_many_pixels(self, photo):
        with pytest.raises(InputError, match="48 x 32, more than"):
            decoding.decode(photo, max_pixels=W * H - 1)


class TestWithoutThePackage:
    @pytest.fixture(autouse=True)
    def _hide_it(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "pi_heif", None)  # import raises ImportError

    @pytest.mark.parametrize(
        "reader", [decoding.decode, decoding.inspect, decoding.read_size, lambda p: decoding.decode_square(p, 8)]
    )
    def test_the_error_says_what_to_install(self, tmp_path, photo, reader):
        path: Path = tmp_path / "IMG_0001.HEIC"
        path.write_bytes(photo)
        with pytest.raises(
            InputError, match=r"IMG_0001\.HEIC is a HEIC photo; pip install pi-heif, or export it as JPEG$"
        ):
            reader(path)

    def test_other_pictures_of_the_folder_are_read(self, tmp_path, photo):
        (tmp_path / "a.heic").write_bytes(photo)
        Image.fromarray(drawn()).save(tmp_path / "b.png")
        with pytest.warns(UserWarning, match=r"skipped 1 of 2 images: a\.heic is a HEIC photo; pip install pi-heif"):
            assert len(ImageFolder(tmp_path, 8)) == 1
