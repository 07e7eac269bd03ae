"""A run goes on with any one setting changed, or says in one line which it cannot change."""

import shutil
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path

import pytest

from stylemap import reading
from stylemap.architectures.stylemap.config import StylemapTraining
from stylemap.architectures.vector.config import StyleGAN2CycleConfig, VectorLoss
from stylemap.config import OptimConfig
from stylemap.errors import InputError
from stylemap.training import loop, state
from tests.architectures.vector.tiny import training

VECTORS = {
    "stylegan2": {"vector": StyleGAN2CycleConfig(path_every=1)},
    "stylegan2 without its penalty": {"vector": StyleGAN2CycleConfig(path_weight=0)},
    "stylegan": {"loss": VectorLoss(adversarial="wgan-gp"), "optim": OptimConfig(r1_gamma=0)},
}
OTHER = {  # where no rule of `another` gives a value that the config allows
    "data": "avatars", "device": "auto", "init_from": "avatars32", "loss.vgg": "vgg.pth", "workers": 1, "batch_gpu": 2,
    "model.resolution": 32, "model.channel_base": 256, "model.stylemap_size": 8, "model.architecture": "stylegan2",
    "loss.adversarial": "relativistic", "loss.perceptual_network": "none", "optim.r1_gamma": None, "speed.precision": "bfloat16",
    "augment.mode": "adaptive", "optim.beta1": 0.5, "ema.ramp": None, "model.norm": "instance",
    "model.mapping": "flow",
}  # fmt: skip
REFUSED = {"data", "heldout", "mirror", "seed", "init_from", "optim.freeze_d", "vector.encoder"}
SLOW = {"workers", "speed.compile"}  # seconds each
SLOW |= {  # numbers that are read where others are: loss.perceptual, augment.p, optim.beta1 and tick stand for them
    "loss.generator_adversarial", "loss.latent_reconstruction", "loss.image_reconstruction", "loss.encoder_adversarial",
    "augment.target", "augment.speed", "augment.every", "augment.limit", "augment.blit", "augment.flip",
    "optim.beta2", "save_every", "keep_states",
}  # fmt: skip


def knobs(kind: type = StylemapTraining, prefix: str = "") -> list[str]:
    found = []
    for f in fields(kind):
        part = f.default_factory if is_dataclass(f.default_factory) else None
        found += knobs(part, f"{prefix}{f.name}.") if part else [prefix + f.name]
    return found


def another(name: str, value):
    if name in OTHER:
        return OTHER[name]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 4
    if isinstance(value, float):
        return value / 2 or 0.1
    raise AssertionError(f"say in OTHER to what {name} can be changed")


def changed(config: StylemapTraining, name: str) -> StylemapTraining:
    group, _, knob = name.rpartition(".")
    part = getattr(config, group) if group else config
    part = replace(part, **{knob: another(name, getattr(part, knob))})
    return replace(config, **{group: part}) if group else part


def files(run: Path) -> dict:
    return {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


class One(loop.Observer):
    """Stops after an iteration."""

    done = False

    def advance(self, batch: int) -> None:
        self.done = True

    def __call__(self) -> bool:
        return self.done


def go_on(run: Path, config: StylemapTraining, name: str) -> None:
    before, one = files(run), One()
    try:
        other = changed(config, name)  # may be no config
        loop.train(other, run, resume=True, observer=one, stop=one)
    except InputError as err:
        assert name in REFUSED or name.startswith("model.")
        assert name in str(err) or (name == "data" and "holds other images" in str(err))
        assert "\n" not in str(err) and files(run) == before
    else:
        assert name not in REFUSED and not name.startswith("model.")
        assert reading.read_yaml(run / "config.yaml") == asdict(other)
        content = state.load_newest(run)
        assert (content["images"], content["config"]) == (4 + other.batch, asdict(other))


@pytest.fixture(scope="module")
def started(config, tmp_path_factory):
    """Of each kind of run a folder after an iteration, and its config; they are made when they are asked for."""
    made: dict[str, tuple[Path, StylemapTraining]] = {}

    def run_of(kind: str) -> tuple[Path, StylemapTraining]:
        if kind not in made:
            own = replace(config, images=8, tick=100, save_every=100)
            if kind != "stylemap":
                own = training(own, kind.split()[0], **VECTORS[kind])
                own = replace(own, model=replace(own.model, channel_base=64))
            own = replace(own, speed=replace(own.speed, precision="float32"))  # auto would be replaced
            made[kind] = tmp_path_factory.mktemp("started") / "run", own
            one = One()
            loop.train(own, made[kind][0], observer=one, stop=one)
        return made[kind]

    return run_of


@pytest.mark.parametrize("name", [pytest.param(k, marks=[pytest.mark.slow] * (k in SLOW)) for k in knobs()])
@pytest.mark.filterwarnings("ignore:with 2 images per pass", "ignore:The .grad attribute of a Tensor")
def test_stylemaps(started, tmp_path, name):
    run, config = started("stylemap")
    go_on(shutil.copytree(run, tmp_path / "run"), config, name)


PATHS = ["vector.path_weight", "vector.path_every"]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (kind, name)
        for kind in VECTORS
        for name in ("vector.mixing", "vector.encoder", *(PATHS if "stylegan2" in kind else []))
    ],
)
def test_vectors(started, tmp_path, kind, name):
    run, config = started(kind)
    go_on(shutil.copytree(run, tmp_path / "run"), config, name)
