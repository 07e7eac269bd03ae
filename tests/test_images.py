"""The pixel convention, contact sheets, and image files read and written."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from stylemap import decoding, images
from stylemap.errors import InputError
from tests.decoding.files import noise


class TestPixelConvention:
    def test_round_trip_is_exact_for_every_value(self):
        x = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1).repeat(2, 1, 1, 3)
        assert torch.equal(images.to_uint8(images.from_uint8(x)), x)
        assert torch.equal(images.to_uint8(images.from_uint8(x).double()), x)

    def test_ends_of_the_range(self):
        y = images.from_uint8(torch.tensor([0, 255, 0], dtype=torch.uint8).reshape(1, 1, 1, 3))
        assert y.dtype == torch.float32
        assert y.flatten().tolist() == [-1, 1, -1]

    def test_axes_and_memory(self):
        x = torch.from_numpy(noise(4, 6))[None]
        y = images.from_uint8(x)
        assert y.shape == (1, 3, 4, 6)
        assert y.is_contiguous(memory_format=torch.channels_last)
        assert y[0, 2, 3, 1].item() == pytest.approx(x[0, 3, 1, 2].item() / 127.5 - 1, abs=1e-6)
        assert images.to_uint8(y).is_contiguous()

    def test_arrays_are_stacked(self):
        x = torch.arange(2 * 3 * 4 * 3, dtype=torch.uint8).reshape(2, 3, 4, 3)
        assert torch.equal(images.from_arrays(picture.numpy() for picture in x), images.from_uint8(x))

    def test_clamps_rounds_and_leaves_its_input(self):
        # 127.5 * (x + 1) is 100.4, 100.6, beyond, below, infinite; 0.1 from half-way is far above float32's error
        values = [100.4 / 127.5 - 1, 100.6 / 127.5 - 1, 1.5, -7.0, float("inf"), -float("inf")]
        x = torch.tensor(values).reshape(1, 3, 1, 2)
        before = x.clone()
        assert images.to_uint8(x).permute(0, 3, 1, 2).flatten().tolist() == [100, 101, 255, 0, 255, 0]
        assert torch.equal(x, before)

    def test_nan_is_refused(self):
        with pytest.raises(InputError, match="NaN"):
            images.to_uint8(torch.full((1, 3, 2, 2), float("nan")))

    @pytest.mark.parametrize("x", [torch.zeros(1, 4, 4, 3), torch.zeros(1, 3, 4, 4, dtype=torch.uint8)])
    def test_from_uint8_refuses_other_things(self, x):
        with pytest.raises(ValueError, match=r"uint8 \[N, H, W, 3\]"):
            images.from_uint8(x)

    @pytest.mark.parametrize("x", [torch.zeros(1, 4, 4, 3), torch.zeros(1, 3, 4, 4, dtype=torch.uint8)])
    def test_to_uint8_refuses_other_things(self, x):
        with pytest.raises(ValueError, match=r"float \[N, 3, H, W\]"):
            images.to_uint8(x)


class TestReadMask:
    @staticmethod
    def read(tmp_path: Path, picture: Image.Image, side: int, **options) -> np.ndarray:
        picture.save(tmp_path / "mask.png", **options)
        mask = images.read_mask(tmp_path / "mask.png", side)
        assert mask.shape == (1, 1, side, side)
        assert mask.dtype == torch.float32
        assert mask.min() >= 0
        assert mask.max() <= 1
        return mask[0, 0].numpy()

    def test_grey(self, tmp_path):
        grey = noise(6, 6, 1)[..., 0]
        assert np.allclose(self.read(tmp_path, Image.fromarray(grey), 6), grey / 255, atol=1e-6)

    def test_16_bit_keeps_its_precision(self, tmp_path):
        grey = np.random.default_rng(0).integers(0, 65536, (6, 6), dtype=np.uint16)
        assert np.allclose(self.read(tmp_path, Image.fromarray(grey), 6), grey / 65535, atol=1e-6)

    def test_one_bit_and_palette(self, tmp_path):
        bits = noise(6, 6, 1)[..., 0] > 127
        assert np.array_equal(self.read(tmp_path, Image.fromarray(bits), 6), bits)
        palette = Image.fromarray(bits.astype(np.uint8), "L")
        palette.putpalette([0, 0, 0, 255, 255, 255])
        assert np.array_equal(self.read(tmp_path, palette, 6), bits)

    def test_growing_by_a_whole_factor_repeats_pixels(self, tmp_path):
        bits = noise(6, 6, 1)[..., 0] > 127
        out = self.read(tmp_path, Image.fromarray(bits), 24)
        assert np.array_equal(out, bits.repeat(4, 0).repeat(4, 1))

    @pytest.mark.filterwarnings("ignore:the mask ")
    @pytest.mark.parametrize("side", [4, 5, 9, 16, 30])
    def test_mean_is_kept(self, tmp_path, side):
        grey = noise(20, 20, 1)[..., 0]
        assert self.read(tmp_path, Image.fromarray(grey), side).mean() == pytest.approx(grey.mean() / 255, abs=0.02)

    @pytest.mark.filterwarnings("ignore:the mask ")
    @pytest.mark.parametrize("size", [(40, 23), (23, 40), (24, 24), (9, 14)])
    @pytest.mark.parametrize("orientation", [1, 6])
    def test_stays_aligned_with_the_photo_it_was_painted_on(self, tmp_path, size, orientation):
        h, w = size
        y, x = np.mgrid[:h, :w]
        grey = (127 + 60 * np.sin(x / 5) + 60 * np.cos(y / 4 + x / 9)).astype(np.uint8)
        exif = Image.Exif()
        exif[0x0112] = orientation
        mask = self.read(tmp_path, Image.fromarray(grey), 8, exif=exif)
        photo = images.read(tmp_path / "mask.png", 8)[0, 0].numpy() / 2 + 0.5
        assert abs(mask - photo).max() <= 0.51 / 255 + 1e-6  # the photo is rounded to 8 bits, the mask is not


class TestGrid:
    def test_layout(self):
        cells = torch.arange(5.0).reshape(5, 1, 1, 1).expand(5, 3, 2, 3) / 10
        sheet = images.grid(cells, columns=3, pad=1)
        assert sheet.shape == (3, 2 * (2 + 1) + 1, 3 * (3 + 1) + 1)
        for k in range(5):
            top, left = 1 + 3 * (k // 3), 1 + 4 * (k % 3)
            assert torch.equal(sheet[:, top : top + 2, left : left + 3], cells[k])
        expected_white = sheet[0].numel() - 5 * 6
        assert (sheet[0] == 1).sum() == expected_white

    def test_content_is_not_transposed(self):
        cells = torch.rand(4, 3, 5, 7)
        sheet = images.grid(cells, columns=2, pad=0)
        assert torch.equal(sheet, torch.cat([torch.cat([*cells[:2]], 2), torch.cat([*cells[2:]], 2)], 1))

    def test_fewer_images_than_columns(self):
        assert images.grid(torch.zeros(2, 3, 4, 4), columns=8).shape == (3, 4 + 4, 2 * 6 + 2)

    @pytest.mark.parametrize(("n", "columns", "pad"), [(0, 1, 2), (1, 0, 2), (1, 1, -1)])
    def test_nonsense(self, n, columns, pad):
        with pytest.raises(ValueError, match="cannot lay out"):
            images.grid(torch.zeros(n, 3, 4, 4), columns, pad)


class TestEnlarge:
    @pytest.mark.parametrize(("least", "factor"), [(1, 1), (3, 1), (4, 2), (6, 2), (7, 3)])
    def test_repeats_pixels(self, least, factor):
        x = torch.rand(2, 3, 2, 3)
        big = images.enlarge(x, least)
        assert big.shape == (2, 3, 2 * factor, 3 * factor)
        for y in range(factor):
            assert torch.equal(big[:, :, y::factor, y::factor], x)


class TestWrite:
    X = images.from_uint8(torch.from_numpy(noise(9, 9))[None])

    @pytest.mark.parametrize("name", ["a.png", "A.PNG", "a.webp", "bare"])
    @pytest.mark.parametrize("shape", [(1, 3, 9, 9), (3, 9, 9)])
    def test_round_trip_is_exact(self, tmp_path, name, shape):
        path = tmp_path / "new" / "folder" / name
        images.write(path, self.X.reshape(shape))
        assert torch.equal(images.read(path, 9), self.X)
        assert os.listdir(path.parent) == [name]

    def test_jpeg(self, tmp_path):
        images.write(tmp_path / "a.jpg", images.from_uint8(torch.full((1, 16, 16, 3), 90, dtype=torch.uint8)))
        assert (tmp_path / "a.jpg").read_bytes().startswith(b"\xff\xd8\xff")
        assert abs(decoding.decode(tmp_path / "a.jpg").astype(int) - 90).max() <= 2  # as in test_jpeg above

    def test_other_suffix_is_refused_before_anything_is_made(self, tmp_path):
        with pytest.raises(InputError, match=r"must end in one of \.jpeg, \.jpg, \.png, \.webp"):
            images.write(tmp_path / "new" / "a.tiff", self.X)
        assert os.listdir(tmp_path) == []

    def test_more_than_one_image_is_refused(self, tmp_path):
        with pytest.raises(ValueError, match="one image at a time"):
            images.write(tmp_path / "a.png", torch.zeros(2, 3, 4, 4))

    def test_failure_leaves_the_old_file(self, tmp_path, monkeypatch):
        images.write(tmp_path / "a.png", self.X)

        def save(self, fp, format=None, **params):
            Path(fp).write_bytes(b"half")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Image.Image, "save", save)
        with pytest.raises(InputError, match="No space left on device"):
            images.write(tmp_path / "a.png", -self.X)
        assert torch.equal(images.read(tmp_path / "a.png", 9), self.X)
        assert os.listdir(tmp_path) == ["a.png"]
