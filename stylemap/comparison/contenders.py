"""Which methods are compared, each with its knobs and the weights that it runs on."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from stylemap.errors import InputError
from stylemap.inversion import Method, Subject, preset
from stylemap.inversion.methods import COUNTS, Encoder, parse_setting

# Kinds of weights. Those of E4E and PSP have vectors as well, with an encoder of `stylemap train-encoder`.
STYLEMAP, VECTORS, E4E, PSP, SEAN = "stylemap", "vectors", "e4e", "psp", "sean"
KINDS = (STYLEMAP, VECTORS, E4E, PSP, SEAN)
ALL = "all"  # stands for every default method that the weights allow
ON_STYLEMAPS = (
    "encoder",
    "hybrid",
    "stylemap",
    "pivotal",
)  # methods that run on stylemaps unless their text names other weights

# Each number of steps is a run of its own: step 100 of 1000 is another point of a schedule than step 100 of 100.
DEFAULT = (
    "encoder",
    "hybrid:steps=10,50",
    "stylemap:steps=100,300,1000",
    "encoder@vectors",
    "encoder@e4e",
    "encoder@psp",
    "in-domain",
    "w:steps=100,300,1000",
    "w+:steps=100,300,1000",
    "image2stylegan:steps=1000,5000",
    "image2stylegan++",
    "structured-noise",
    "pivotal",
    "pivotal@vectors",
    "encoder@sean",
)


@dataclass(frozen=True)
class Contender:
    """One row of the table."""

    name: str
    """Equal for runs that differ in their steps alone."""
    kind: str
    """Of the weights, one of KINDS."""
    method: Method

    @property
    def steps(self) -> int:
        """Of all phases; 0 for one that does not optimise."""
        return sum(self.method.counts.values())

    @property
    def title(self) -> str:
        counts = " + ".join(map(str, self.method.counts.values()))
        return f"{self.name}, {counts} steps" if counts else self.name

    @property
    def slug(self) -> str:
        """A file name."""
        plain = "".join(c if c.isalnum() or c in "+-." else "-" for c in self.name)
        return "-".join([plain, *map(str, self.method.counts.values() or [0])])

    @property
    def settings(self) -> dict:
        """For the record, and to tell one contender from another."""
        method = self.method
        return {"name": self.name, "weights": self.kind, "class": type(method).__name__, "knobs": asdict(method)}

    def shortened(self, steps: int) -> Method:
        """The method with that many steps in each phase, to warm up."""
        return replace(self.method, **dict.fromkeys(self.method.counts, steps))


def parse(text: str, seed: int = 0) -> list[Contender]:
    """``NAME[@KIND][:SETTING=VALUE]...``, such as ``w+:steps=100,1000:rate=0.05``. Each number of steps is a contender.

    Raises:
        InputError: an unknown method, kind or knob, or a value of another type.
    """
    head, *settings = text.split(":")
    name, at, kind = head.partition("@")
    home = STYLEMAP if name in ON_STYLEMAPS else VECTORS
    kind = kind if at else home
    if kind not in KINDS:
        raise InputError(f"method {text}: weights are of kind {', '.join(KINDS[:-1])} or {KINDS[-1]}, not {kind!r}")
    knobs = dict(_setting(name, setting) for setting in settings)
    steps = [{"steps": n} for n in knobs.pop("steps", ())] or [{}]
    words = [f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}" for k, v in knobs.items() if k not in COUNTS]
    label = " ".join([name if kind == home else f"{name} ({kind})", *words])
    return [Contender(label, kind, preset(name, **{"seed": seed} | knobs | count)) for count in steps]


def _setting(method: str, text: str) -> tuple[str, object]:
    if not text.startswith("steps="):
        return parse_setting(method, text)
    counts = text.removeprefix("steps=").split(",")
    for count in counts:
        if not count.isdecimal() or int(count) < 1:
            raise InputError(f"method {method}: steps must be whole numbers from 1, such as 100,1000; not {count!r}")
    return "steps", list(map(int, counts))


def choose(
    specs: Sequence[str] | None,
    subjects: Mapping[str, Subject],
    seed: int = 0,
    labelled: bool = True,
    default: Sequence[str] = DEFAULT,
) -> tuple[list[Contender], list[str]]:
    """The contenders that run on the given weights, and why others of the default ones were left out.

    Args:
        specs: see `parse`, and ALL; None is ALL.
        labelled: whether the part labels of the images are known.
        default: what ALL stands for.

    Raises:
        InputError: a method that was asked for and cannot run on the weights, or is given twice.
    """
    chosen: list[Contender] = []
    left_out: list[str] = []
    asked = [(each, spec == ALL) for spec in specs or [ALL] for each in (default if spec == ALL else [spec])]
    for spec, optional in asked:
        contenders = parse(spec, seed)
        reason = next(filter(None, (unfit(contender, subjects, labelled) for contender in contenders)), None)
        if reason is None:
            latents = subjects[contenders[0].kind].latents
            chosen += [replace(each, method=each.method.for_latents(latents)) for each in contenders]
        elif optional:
            left_out.append(reason)
        else:
            raise InputError(reason)
    for a, b in itertools.combinations(chosen, 2):
        if (a.kind, a.method) == (b.kind, b.method):
            same = "is given twice" if a.title == b.title else f"and {b.title} are one and the same; leave one out"
            raise InputError(f"method {a.title} {same}")
    if not chosen:
        raise InputError(f"no method can run: {left_out[0] if left_out else 'none is given'}")
    return chosen, left_out


def unfit(contender: Contender, subjects: Mapping[str, Subject], labelled: bool = True) -> str | None:
    """Why a contender cannot run, in one line; None if it can."""
    if contender.kind not in subjects:
        trained = f"weights of `stylemap train-encoder --style {contender.kind}`"
        what = {
            STYLEMAP: "stylemap weights",
            VECTORS: "weights of a vector-latent generator (stylegan2 or stylegan)",
            SEAN: "weights of a sean",
        }
        return f"method {contender.name} needs {what.get(contender.kind, trained)}; add them to --weights"
    subject = subjects[contender.kind]
    if contender.kind == SEAN and not isinstance(contender.method, Encoder):
        return f"method {contender.name}: of a sean only the encoder finds codes; take encoder@sean"
    if contender.kind == SEAN and not labelled:
        return f"method {contender.name} needs the part labels of the images; give --part-labels"
    try:
        method = contender.method.for_latents(subject.latents)
    except InputError as err:
        return f"method {contender.name}: {err}"
    if method.begins_at_encoder and subject.model.encoder is None:
        return (
            f"method {contender.name} begins at the encoder, and the {contender.kind} weights have none; leave it out"
        )
    return None
