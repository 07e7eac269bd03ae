"""What a file is called: the one form of names that every store of pictures and every table about them shares.

A name is a relative path whose folders are divided by "/", in composed Unicode (NFC), of characters that can be printed. What
a file system or an archive calls the file may differ: backslashes come from Windows, decomposed accents from macOS, and bytes
that are no UTF-8 from anywhere.
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
PLAIN = frozenset({"set", "split", "data", "image", "images", "img", "imgs"})  # words that tell nothing of a split
LITTER = frozenset(  # what systems leave behind, in lower case: copies in small, bins, settings of folders
    {"__macosx", "@eadir", "#recycle", "@recycle", "$recycle.bin", "system volume information", "lost+found"}
    | {"thumbs.db", "ehthumbs.db", "desktop.ini"}
)
MANY = 10  # files without an ending: some are licences and notes, many are pictures that lost it
UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")  # Unicode's categories of control characters, half characters and line breaks
MISSED = frozenset(  # endings of files that a person may take for pictures, or that hold them, and that are not read
    {".jxl", ".jp2", ".j2k", ".jpx", ".jxr", ".psd", ".svg", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".exr", ".hdr"}
    | {".dng", ".cr2", ".cr3", ".nef", ".nrw", ".arw", ".raw", ".orf", ".rw2", ".raf", ".pef", ".srw", ".ico"}
    | {".mov", ".mp4", ".m4v", ".avi", ".mkv", ".webm", ".3gp"}
    | {
        ".zip",
        ".tar",
        ".tgz",
        ".gz",
        ".bz2",
        ".xz",
        ".7z",
        ".rar",
        ".parquet",
        ".tfrecord",
        ".tfrecords",
        ".h5",
        ".mdb",
    }
)


def canonical(stored: str) -> str:
    """What a file is called here, from what its store calls it. Characters that cannot be printed become %XX, their bytes."""
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


def listed(stored: Iterable[str]) -> dict[str, str]:
    """Names -> what the store calls them, without hidden files.

    Where the names of several files become one, the others get a number: ``a.png``, ``a~2.png``. Files that already have
    their name keep it.
    """
    found: dict[str, str] = {}
    others = []
    for file in stored:
        name = canonical(file)
        if not name or hidden(name):
            continue
        if name == file:
            found[name] = file
        else:
            others.append((name, file))
    for name, file in sorted(others):
        number, path = 2, PurePosixPath(name)
        while name in found:
            name, number = str(path.with_name(f"{path.stem}~{number}{path.suffix}")), number + 1
        found[name] = file
    return found


def hidden(name: str) -> bool:
    """Whether a file is not meant to be seen: its name or that of a folder begins with a dot, or a system left it behind."""
    return any((part[:1] == "." and part != "..") or part.casefold() in LITTER for part in name.split("/"))


def outside(name: str) -> bool:
    """Whether a name leads out of the folder it belongs to."""
    return name.startswith("/") or ".." in name.split("/") or re.match("[A-Za-z]:", name) is not None


def extension(name: str) -> str:
    """The ending of a file, in lower case and with its dot; "" for none."""
    return PurePosixPath(name).suffix.lower()


def without_extension(name: str) -> str:
    """A name without its ending, if that is one of a picture: the names of an LMDB have none."""
    return str(PurePosixPath(name).with_suffix("")) if extension(name) in decoding.EXTENSIONS else name


def folded(name: str) -> str:
    """Equal for names that differ in case only."""
    return unicodedata.normalize("NFC", canonical(name).casefold())


def key(name: str) -> str:
    """Equal for names that differ in case and in the ending of a picture only: what changes when pictures are converted."""
    return without_extension(folded(name))


def split_of(folder: str) -> str | None:
    """The split that a folder's name stands for: ``Train``, ``val2017``, ``test_set``, ``trainA`` ...; None for none."""
    return SPLIT_FOLDERS.get("".join(word for word in _words(folder) if word not in PLAIN))


def hinted_splits(folder: str) -> set[str]:
    """The splits that a folder's name may mean, with other words around them: ``ffhq_test``."""
    return {SPLIT_FOLDERS[word] for word in (*_words(folder), "".join(_words(folder))) if word in SPLIT_FOLDERS}


def _words(folder: str) -> list[str]:
    """In lower case; without numbers and single letters, which number and distinguish parts of a split."""
    return [word.lower().removesuffix("set") or "set" for word in WORD.findall(folder) if len(word) > 1]


def kinds(names: Iterable[str]) -> dict[str, int]:
    """Endings -> how many files have them, the most frequent first."""
    counts = Counter(map(extension, names))
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def in_words(counts: dict[str, int]) -> str:
    """What `kinds` gives, for a person: ".bmp 12, no ending 3"."""
    return ", ".join(f"{ending or 'no ending'} {count}" for ending, count in counts.items())


def missed(passed_over: dict[str, int]) -> str | None:
    """What to tell of the `kinds` of files that are not read, where they may be pictures; None if there is nothing to tell."""
    found = {e: count for e, count in passed_over.items() if _may_be_picture(e) or (not e and count >= MANY)}
    if not found:
        return None
    total = sum(found.values())
    return f"passed over {total} file{'s' * (total != 1)} that may be pictures ({in_words(found)}); convert them to use them"


def _may_be_picture(ending: str) -> bool:
    """Whether files so called may be pictures, or hold some; downloads get ``.jpg_large``, ``.jpg?w=640``."""
    return ending in MISSED or ending.startswith(tuple(decoding.EXTENSIONS))
