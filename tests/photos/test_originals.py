"""An edit in a photo of any kind: what the edit does not touch stays as the file stores it, and the rest of the file too."""

import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from stylemap import decoding, faces
from stylemap.decoding import channels
from stylemap.editing import pasting
from stylemap.errors import InputError
from stylemap.photos import originals, output_formats
from tests.decoding import files

SIDE = 64
REGION = np.zeros((SIDE, SIDE), np.float32)
REGION[24:44, 20:40] = 1
REACH = 6  # pixels around the region that may change: twice the feather's radius, and interpolation
COLOUR = np.uint8([150, 110, 90])  # of the edit, well inside of any gamut


def s15(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(v * 65536)) for v in values)


def profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A small ICC profile of a display."""
    tags |= {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 2) + b"x\0" + bytes(78),
        b"cprt": b"text" + bytes(4) + b"x\0",
    }
    table, data, at = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, value in tags.items():
        value += bytes(-len(value) % 4)
        table += name + struct.pack(">II", at + len(data), len(value))
        data += value
    body = table + data
    head = struct.pack(">I4sI4s4s4s", 128 + len(body), b"", 0x02400000, b"mntr", space, b"XYZ ") + bytes(12) + b"acsp"
    return (head + bytes(28) + s15(0.9642, 1, 0.8249)).ljust(128, b"\0") + body


def curve(gamma: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))


def xyz(*values: float) -> bytes:
    return b"XYZ " + bytes(4) + s15(*values)


WHITE = {b"wtpt": xyz(0.9642, 1, 0.8249)}
# Display P3's primaries, adapted to D50
PRIMARIES = {b"r": (0.5151, 0.2412, -0.0011), b"g": (0.292, 0.6922, 0.0419), b"b": (0.1571, 0.0666, 0.7841)}
CURVES = {name + b"TRC": curve(2.2) for name in PRIMARIES}
P3 = profile(b"RGB ", WHITE | CURVES | {name + b"XYZ": xyz(*value) for name, value in PRIMARIES.items()})
GREY = profile(b"GRAY", WHITE | {b"kTRC": curve(1.6)})


def noise(channels: int, kind=np.uint8) -> np.ndarray:
    made = np.random.default_rng(channels).integers(0, np.iinfo(kind).max + 1, (SIDE, SIDE, channels), kind)
    return made[..., 0] if channels == 1 else made


def png(picture: Image.Image, format: str = "PNG", **options) -> bytes:
    return files.encoded(picture, format, **options)


def deep(channels: int, icc: bytes | None = None) -> bytes:
    """16 bits a channel, written by OpenCV, or for grey with alpha by hand."""
    values = noise(channels, np.uint16)
    if channels == 2:
        made = files.png((SIDE, SIDE), 16, 4, [row.astype(">u2").tobytes() for row in values])
    else:
        made = cv2.imencode(".png", values)[1].tobytes()
    return made if icc is None else made[:33] + files.chunk(b"iCCP", b"x\0\0" + zlib.compress(icc)) + made[33:]


def see_through() -> np.ndarray:
    """RGBA, the region opaque, a strip above it all transparent with colours underneath, the rest of any opacity."""
    made = noise(4)
    made[18:50, 14:46, 3] = 255
    made[:10, :, 3] = 0
    return made


KINDS = {
    "L": png(Image.fromarray(noise(1))),
    "1": png(Image.fromarray(noise(1) > 127)),
    "LA": png(Image.fromarray(see_through()[..., 2:])),
    "RGB": png(Image.fromarray(noise(3))),
    "RGBA": png(Image.fromarray(see_through())),
    "P": png(Image.fromarray(noise(3)).quantize(32)),
    "P, transparent": png(Image.fromarray(noise(3)).quantize(32), transparency=3),
    "RGB, transparent": png(Image.fromarray(noise(3) // 64 * 64), transparency=(64, 64, 64)),
    "L 16": deep(1),
    "LA 16": deep(2),
    "RGB 16": deep(3),
    "RGBA 16": deep(4),
    "P3": png(Image.fromarray(noise(3)), icc_profile=P3),
    "P3 16": deep(3, P3),
    "P3, transparent": png(Image.fromarray(see_through()), icc_profile=P3),
    "L with profile": png(Image.fromarray(noise(1)), icc_profile=GREY),
    "TIFF 16": cv2.imencode(".tiff", noise(3, np.uint16))[1].tobytes(),
    "TIFF": png(Image.fromarray(see_through()), format="TIFF", compression="tiff_lzw", icc_profile=P3),
    "BMP": png(Image.fromarray(noise(3)), format="BMP"),
    "GIF": png(Image.fromarray(noise(3)).quantize(32), format="GIF", transparency=3),
    "JPEG": png(Image.fromarray(noise(3)), format="JPEG", icc_profile=P3),
    "WebP": png(Image.fromarray(see_through()), format="WEBP", lossless=True, exact=True),
    "no ICC at all": png(Image.fromarray(noise(3)), icc_profile=b"no profile"),
}


@dataclass
class Pasted:
    """A photo with an edit in it, read again."""

    data: bytes
    lost: tuple[str, ...]
    touched: np.ndarray  # bool [H, W], where the edit may show

    @property
    def header(self) -> Image.Image:
        picture = Image.open(io.BytesIO(self.data))
        picture.load()
        return picture


def paste(data: bytes | Path | np.ndarray, suffix: str) -> Pasted:
    photo = originals.read(data, suffix, "photo")
    height, width = photo.colour.shape[:2]
    alignment = faces.Alignment.central(height, width, SIDE)
    edited = np.broadcast_to(COLOUR, (SIDE, SIDE, 3))
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    made = pasting.paste(photo.colour, picture, edited, alignment, REGION, encode=photo.encode)
    assert (made.dtype, made.shape) == (photo.colour.dtype, photo.colour.shape)
    buffer = io.BytesIO()
    photo.write(buffer, made)
    reach = cv2.dilate(REGION, np.ones((2 * REACH + 1, 2 * REACH + 1)))
    top, left = (height - SIDE) // 2, (width - SIDE) // 2
    touched = np.zeros((height, width), bool)
    touched[top : top + SIDE, left : left + SIDE] = reach > 0
    return Pasted(buffer.getvalue(), photo.lost, touched)


def inside(pixels: np.ndarray) -> np.ndarray:
    """The middle of the region, where the edit is all there is."""
    return pixels[28:40, 24:36]


@pytest.mark.parametrize("suffix", [".png", ".webp"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_the_edit_does_not_touch_stays_as_it_is_stored(kind, suffix):
    data = KINDS[kind]
    before = channels.read(data)
    result = paste(data, suffix)
    after = channels.read(result.data)
    left = ~result.touched
    if suffix == ".png" or (before.colour.dtype == np.uint8 and kind != "L with profile"):
        assert result.lost == ()
        assert after.colour.dtype == before.colour.dtype
        colour = before.colour if after.colour.shape == before.colour.shape else before.colour.repeat(3, axis=2)
        np.testing.assert_array_equal(after.colour[left], colour[left])
        assert (after.alpha is None) == (before.alpha is None)
        if before.alpha is not None:
            np.testing.assert_array_equal(after.alpha, before.alpha)
        icc = Image.open(io.BytesIO(data)).info.get("icc_profile")
        assert result.header.info.get("icc_profile") == icc
    else:  # WebP has 8 bits, and no grey that a profile of grey could be about
        assert result.lost == (("the photo has 16 bits a channel; WebP holds 8",) if "16" in kind else ())
        decoded = decoding.decode(data).astype(int)
        # rounding of colour and of opacity, to a level each; gamma 2.2 is steeper than sRGB in the dark
        assert abs(decoding.decode(result.data) - decoded)[left].max() <= (13 if kind == "P3 16" else 2)
    # the edit is seen in its own colours, whatever those of the photo are: to a level of each of the conversions
    wanted = COLOUR if after.colour.shape[2] == 3 else COLOUR @ [0.299, 0.587, 0.114]
    seen = inside(decoding.decode(result.data)).astype(float)
    opaque = np.ones(seen.shape[:2], bool) if after.alpha is None else inside(after.alpha) == after.full
    assert opaque.any() or kind in ("LA 16", "RGBA 16")  # of 16 bits of noise, no opacity is full
    np.testing.assert_allclose(seen[opaque], np.broadcast_to(wanted, seen.shape)[opaque], atol=3)


def test_half_transparent_pixels_show_the_edit_over_white():
    """As the model saw the photo; c = (seen - 255 (1 - a)) / a is rounded to a level, which a makes smaller."""
    rgba = noise(4)
    rgba[..., 3] = np.where(np.arange(SIDE) % 2, 180, 255)
    seen = inside(decoding.decode(paste(png(Image.fromarray(rgba)), ".png").data)).astype(int)
    assert abs(seen - COLOUR).max() <= 1


class TestJpeg:
    """Which keeps no pixel, but the kind of the image."""

    def test_cmyk(self):
        smooth = cv2.resize(noise(4)[:8, :8], (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        data = png(Image.frombytes("CMYK", (SIDE, SIDE), smooth.tobytes()), format="JPEG", quality=95, subsampling=0)
        result = paste(data, ".jpg")
        assert result.header.mode == "CMYK"
        assert result.lost == (originals.RECODED,)
        change = abs(channels.read(result.data).colour.astype(int) - channels.read(data).colour)[~result.touched]
        assert change.mean() < 2
        assert abs(inside(decoding.decode(result.data)).astype(int) - COLOUR).mean() < 4

    def test_of_transparency(self):
        result = paste(KINDS["RGBA"], ".jpg")
        assert result.lost == ("JPEG has no transparency: what is transparent becomes white", originals.RECODED)
        assert decoding.decode(result.data)[1:7].min() > 200  # ringing from the noise below

    def test_of_16_bits(self):
        assert paste(KINDS["RGB 16"], ".jpeg").lost == (
            "the photo has 16 bits a channel; JPEG holds 8",
            originals.RECODED,
        )
        assert paste(KINDS["L 16"], ".jpeg").header.mode == "L"


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_cmyk_elsewhere_is_srgb_and_that_is_said(suffix):
    data = png(Image.frombytes("CMYK", (SIDE, SIDE), noise(4).tobytes()), format="JPEG")
    result = paste(data, suffix)
    assert result.lost == (f"{result.header.format.replace('WEBP', 'WebP')} has no CMYK: the result is in sRGB",)
    left = ~result.touched
    np.testing.assert_array_equal(decoding.decode(result.data)[left], decoding.decode(data)[left])


def exif(orientation: int) -> Image.Exif:
    made = Image.Exif()
    made[0x010F], made[0x0112] = "Maker", orientation
    made[0x8769] = {0xA002: 90, 0xA003: 70, 0x829A: 0.01, 0x927C: b"maker's notes"}
    made[0x8825] = {1: "N", 2: (1.0, 2.0, 3.0)}
    return made


FRAMES = {"save_all": True, "append_images": [Image.fromarray(noise(3)[::-1])]}
THUMBNAIL = b"\xff\xd8 a stale thumbnail \xff\xd9"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" tiff:ImageWidth="90"/></x:xmpmeta>'


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_of_16_bits_that_is_to_be_turned(tmp_path, orientation):
    """Pillow turns TIFFs while it decodes them, and OpenCV does not."""
    values = np.random.default_rng(0).integers(0, 65536, (70, 90, 3), np.uint16)
    data = cv2.imencode(".tiff", values)[1].tobytes()
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    entries = [data[at + 2 + 12 * i :][:12] for i in range(count)] + [
        struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    ]
    entries.sort(key=lambda entry: struct.unpack_from("<H", entry))
    data += b"\0" * (len(data) % 2)
    place = len(data)
    data = data[:4] + struct.pack("<I", place) + data[8:] + struct.pack("<H", count + 1) + b"".join(entries) + bytes(4)
    found = channels.read(data)
    wanted = decoding.decode(data)
    assert found.colour.dtype == np.uint16 and found.colour.shape == wanted.shape
    assert wanted.shape == ((70, 90, 3) if orientation < 5 else (90, 70, 3))
    assert abs(found.colour / 257 - wanted).max() <= 1  # upper 8 bits, or the nearest
    (tmp_path / "a.tif").write_bytes(data)
    assert decoding.upright_size(tmp_path / "a.tif") == wanted.shape[:2]


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_metadata(kind, suffix, orientation):
    """Turned upright once, and not a second time by who reads the result."""
    values = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
    values = cv2.resize(values[:7, :9], (90, 70))
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", XMP.decode())
    options = {"dpi": (300, 150)} | ({"pnginfo": info} if kind == "PNG" else {"xmp": XMP})
    data = png(Image.fromarray(values), format=kind, exif=exif(orientation), **options)
    result = paste(data, suffix)
    picture, sideways = result.header, orientation > 4
    assert picture.size == ((70, 90) if sideways else (90, 70))
    tolerance = 2 if ".jpg" in suffix else 0
    change = decoding.decode(result.data).astype(int) - decoding.decode(data)
    assert abs(change)[~result.touched].mean() <= tolerance
    found = picture.getexif()
    assert (found[0x010F], found[0x0112]) == ("Maker", 1)
    inner = found.get_ifd(0x8769)
    assert (inner[0xA002], inner[0xA003]) == picture.size and float(inner[0x829A]) == 0.01
    assert 0x927C not in inner and not found.get_ifd(-1)
    assert found.get_ifd(0x8825)[1] == "N"
    xmp = picture.info["xmp"]
    assert b'tiff:Orientation="1"' in xmp and b'tiff:ImageWidth="%d"' % picture.width in xmp
    if kind != "WEBP":
        dpi = (150, 300) if sideways else (300, 150)
        found_dpi = picture.info["dpi"] if suffix != ".webp" else (found[0x011A], found[0x011B])
        assert [round(float(x)) for x in found_dpi] == list(dpi)
    if kind == "PNG" and suffix == ".png":
        assert result.lost == ()


def test_no_stale_thumbnail():
    made = exif(1)
    block = made.tobytes()
    # after the first directory a second one, of a thumbnail
    count = struct.unpack_from("<H" if block[6:8] == b"II" else ">H", block, 14)[0]
    order = "<" if block[6:8] == b"II" else ">"
    at = 14 + 2 + 12 * count
    second = len(block) - 6
    block = block[:at] + struct.pack(order + "I", second) + block[at + 4 :]
    block += struct.pack(order + "H", 2) + struct.pack(order + "HHII", 0x0201, 4, 1, second + 30)
    block += struct.pack(order + "HHII", 0x0202, 4, 1, len(THUMBNAIL)) + struct.pack(order + "I", 0) + THUMBNAIL
    data = png(Image.fromarray(noise(3)), format="JPEG", exif=block)
    assert THUMBNAIL in data
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.getexif().get_ifd(-1)
    for suffix in (".png", ".jpg", ".webp"):
        result = paste(data, suffix)
        assert THUMBNAIL not in result.data
        assert result.header.getexif()[0x010F] == "Maker"


@pytest.mark.parametrize("deep_one", [False, True])
def test_chunks_of_a_png(deep_one):
    """Gamma and primaries, which say how the values are to be shown; texts; but no background of another kind."""
    data = KINDS["RGB 16" if deep_one else "RGB"]
    chunks = {
        b"gAMA": struct.pack(">I", 100_000),
        b"cHRM": struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000),
        b"tEXt": b"Title\0A photo",
        b"iTXt": b"Note\0\0\0de\0\0" + "schön".encode(),
        b"pHYs": struct.pack(">IIB", 11811, 11811, 1),
    }
    data = data[:33] + b"".join(files.chunk(name, value) for name, value in chunks.items()) + data[33:]
    result = paste(data, ".png")
    for name, value in chunks.items():
        assert files.chunk(name, value) in result.data
    lost = paste(data, ".webp").lost
    assert "WebP has no place for the photo's text: Note, Title" in lost
    assert "WebP has no place for the photo's gamma and primaries" in lost


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (png(Image.fromarray(noise(3)), **FRAMES), "holds 2 images"),
        (png(Image.fromarray(noise(3)), format="WEBP", lossless=True, **FRAMES), "holds 2 images"),
        (png(Image.fromarray(noise(3)), format="JPEG", xmp=XMP.replace(b"tiff:", b"hdrgm:")), "further images"),
        (png(Image.fromarray(noise(3)), format="JPEG", exif=b"Exif\0\0nothing of the kind"), "EXIF cannot be read"),
    ],
    ids=["APNG", "WebP", "gain map", "damaged EXIF"],
)
def test_what_is_left_out_is_said(data, said):
    lost = paste(data, ".png").lost
    assert len(lost) == 1 and said in lost[0]


@pytest.mark.parametrize("suffix", output_formats.FORMATS)
def test_a_picture_from_no_file(suffix):
    picture = noise(3)
    result = paste(picture, suffix)
    if suffix in (".png", ".webp"):
        np.testing.assert_array_equal(decoding.decode(result.data)[~result.touched], picture[~result.touched])


def test_too_large_for_webp(tmp_path):
    Image.new("L", (16_384, 4)).save(tmp_path / "wide.png")
    with pytest.raises(
        InputError, match="wide.png has 16384 x 4 pixels, and WebP holds at most 16383 a side: name a .png"
    ):
        originals.read(tmp_path / "wide.png", ".webp")


class TestHidden:
    ALIGNMENT = faces.Alignment.central(SIDE, SIDE, SIDE)

    @pytest.mark.parametrize(("rows", "share"), [(slice(24, 44), "100%"), (slice(24, 34), "50%"), (slice(0, 20), None)])
    def test_an_edit_where_the_photo_is_transparent(self, rows, share):
        rgba = noise(4)
        rgba[..., 3] = 255
        rgba[rows, :, 3] = 0
        lines = originals.read(png(Image.fromarray(rgba)), ".png").hidden(self.ALIGNMENT, REGION)
        assert lines == (
            [] if share is None else [f"{share} of the edit lies where the photo is transparent, and does not show"]
        )

    def test_an_edit_in_a_grey_photo(self):
        lines = originals.read(KINDS["L"], ".png").hidden(self.ALIGNMENT, REGION)
        assert lines == ["the photo is grey, and so is the edit in it"]
