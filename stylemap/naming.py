"""Names of files: one form that all stores of images and all tables about them share.

A name is a relative path in composed Unicode (NFC), whose folders are divided by "/" and whose characters can be printed. A file
system or an archive may call the file otherwise: Windows writes backslashes, macOS decomposes accents, and some names are not
UTF-8.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

from stylemap import decoding

SPLITS = ("train", "val", "test")
SPLIT_FOLDERS = {  # what remains of folders' names, see `split_of` -> the split
    "train": "train", "training": "train", "trainval": "train",
    "val": "val", "valid": "val", "validate": "val", "validation": "val",
    "eval": "val", "evaluation": "val", "holdout": "val", "heldout": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
WORD = re.compile("[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
PLAIN = frozenset({"set", "split", "data", "image", "images", "img", "imgs"})  # words that say nothing about a split
LITTER = frozenset(  # what systems leave behind, in lower case: thumbnails, bins, settings of folders
    {"__macosx", "@eadir", "#recycle", "@recycle", "$recycle.bin", "system volume information", "lost+found"}
    | {"thumbs.db", "ehthumbs.db", "desktop.ini"}
)
MANY = 10  # files without an ending: some are licences and notes, many are images that lost it
UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")  # Unicode's categories of control characters, half characters and line breaks
MISSED = frozenset({  # endings of files that a person may take for images, or that hold them, and that are not read
    ".jxl", ".jp2", ".j2k", ".jpx", ".jxr", ".psd", ".svg", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".exr", ".hdr", ".ico",
    ".dng", ".cr2", ".cr3", ".nef", ".nrw", ".arw", ".raw", ".orf", ".rw2", ".raf", ".pef", ".srw",
    ".mov", ".mp4", ".m4v", ".avi", ".mkv", ".webm", ".3gp",
    ".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar", ".parquet", ".tfrecord", ".tfrecords", ".h5", ".mdb",
})  # fmt: skip


def canonical(stored: str) -> str:
    """The name of a file, from what its store calls it. Characters that cannot be printed become their bytes, as %XX."""
    if not (stored.isascii() and stored.isprintable()):
        stored = unicodedata.normalize("NFC", "".join(map(_printable, stored)))
    parts = stored.replace("\\", "/").split("/")
    name = "/".join(part for part in parts if part not in ("", "."))
    return "/" + name if parts[0] == "" and name else name


def _printable(char: str) -> str:
    if unicodedata.category(char) not in UNPRINTABLE:
        return char
    code = ord(char)
    data = bytes([code - 0xDC00]) if 0xDC80 <= code <= 0xDCFF else char.encode(errors="surrogatepass")
    return "".join(f"%{byte:02X}" for byte in data)


def by_name(stored: Iterable[str]) -> dict[str, str]:
    """Names -> what the store calls them, without hidden files.

    If several files get the same name, all but one get a number: ``a.png``, ``a~2.png``. A file that already has its name
    keeps it.
    """
    names: dict[str, str] = {}
    changed = []
    for file in stored:
        name = canonical(file)
        if not name or hidden(name):
            continue
        if name == file:
            names[name] = file
        else:
            changed.append((name, file))
    for name, file in sorted(changed):
        number, path = 2, PurePosixPath(name)
        while name in names:
            name, number = str(path.with_name(f"{path.stem}~{number}{path.suffix}")), number + 1
        names[name] = file
    return names


def hidden(name: str) -> bool:
    """Whether a file or one of its folders has a name that begins with a dot, or that a system leaves behind."""
    return any((part[:1] == "." and part != "..") or part.casefold() in LITTER for part in name.split("/"))


def outside(name: str) -> bool:
    """Whether a name leads out of the folder it belongs to."""
    return name.startswith("/") or ".." in name.split("/") or re.match("[A-Za-z]:", name) is not None


def extension(name: str) -> str:
    """The ending of a file, in lower case and with its dot; "" for none."""
    return PurePosixPath(name).suffix.lower()


def without_extension(name: str) -> str:
    """A name without its ending, if that is one of an image. Names in an LMDB have no ending."""
    return str(PurePosixPath(name).with_suffix("")) if extension(name) in decoding.EXTENSIONS else name


def folded(name: str) -> str:
    """Equal for names that differ in case only."""
    return unicodedata.normalize("NFC", canonical(name).casefold())


def key(name: str) -> str:
    """Equal for names that differ only in case and in the ending of an image, as names do when images are converted."""
    return without_extension(folded(name))


def split_of(folder: str) -> str | None:
    """The split that a folder's name stands for: ``Train``, ``val2017``, ``test_set``, ``trainA`` ...; None for none."""
    return SPLIT_FOLDERS.get("".join(word for word in _words(folder) if word not in PLAIN))


def hinted_splits(folder: str) -> set[str]:
    """The splits that a folder's name may mean, with other words around them: ``ffhq_test``."""
    return {SPLIT_FOLDERS[word] for word in (*_words(folder), "".join(_words(folder))) if word in SPLIT_FOLDERS}


def _words(folder: str) -> list[str]:
    """The words in lower case, without numbers and single letters: these distinguish parts of a split."""
    return [word.lower().removesuffix("set") or "set" for word in WORD.findall(folder) if len(word) > 1]


def kinds(names: Iterable[str]) -> dict[str, int]:
    """Endings -> how many files have them, the most frequent first."""
    counts = Counter(map(extension, names))
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def in_words(counts: dict[str, int]) -> str:
    """What `kinds` gives, for a person: ".bmp 12, no ending 3"."""
    return ", ".join(f"{ending or 'no ending'} {count}" for ending, count in counts.items())


def missed(passed_over: dict[str, int]) -> str | None:
    """A line about files that are not read and may be images, from the `kinds` of files passed over; None for no such file."""
    counts = {e: count for e, count in passed_over.items() if _may_be_picture(e) or (not e and count >= MANY)}
    if not counts:
        return None
    total = sum(counts.values())
    return f"passed over {total} file{'s' * (total != 1)} that may be images ({in_words(counts)}); convert them to use them"


def _may_be_picture(ending: str) -> bool:
    """Whether files so called may be images, or hold some; downloads get ``.jpg_large``, ``.jpg?w=640``."""
    return ending in MISSED or ending.startswith(tuple(decoding.EXTENSIONS))
