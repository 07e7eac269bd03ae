"""Image sheets."""

import torch

from stylemap import images, sheets


def test_a_sheet_keeps_its_pictures_and_titles():
    picture = torch.arange(3 * 16 * 16 * 3, dtype=torch.uint8).view(3, 16, 16, 3)
    titles = ("original", "a title of several words", "Averyverylongwordindeed")
    made = sheets.sheet(dict.fromkeys(titles, images.from_uint8(picture)))
    tile, pad = sheets.TILE, sheets.PAD
    assert made.shape[2] == 3 * (tile + pad) + pad
    body = made[:, made.shape[1] - 3 * (tile + pad) - pad :]
    first = body[:, pad : pad + tile, pad : pad + tile]
    assert torch.equal(first[:, 4::8, 4::8], picture[0].permute(2, 0, 1) / 127.5 - 1)
    header = (made[:, : made.shape[1] - body.shape[1]] < 0.95).any(dim=0)
    assert not (header[0].any() or header[:, 0].any() or header[:, -1].any())
    for k in range(1, 3):  # titles stay over their columns
        assert not header[:, k * (tile + pad) + 1].any()
