"""``stylemap train-encoder``: an encoder for a vector-latent generator that stays as it is."""

import argparse
import sys

from stylemap.cli import flags, inputs
from stylemap.cli.parsing import Parser
from stylemap.cli.values import OutputFile, real, whole
from stylemap.errors import InputError

STYLES = ("e4e", "psp")
LINES = 20  # of a training


def train_encoder(parser: Parser) -> None:
    """Train an encoder for a generator of StyleGAN or StyleGAN2, which stays as it is. e4e keeps latents where the generator can
    edit them. psp reconstructs better. The weights that it writes have this encoder in place of another. If you stop it, run the
    same command again: it continues."""
    flags.add(
        parser,
        "--weights",
        default="avatars32_stylegan2",
        help="Weights of a vector-latent generator, also imported ones.",
    )
    flags.add(parser, "--device")
    flags.add(parser, "--data", help="Training images. Default: those that the weights were trained on.")
    parser.add_argument("--style", choices=STYLES, default="e4e", help="Where the settings below come from.")
    parser.add_argument(
        "--images", type=whole(1), default=100_000, metavar="N", help="Number of training images to see."
    )
    parser.add_argument("--batch", type=whole(1, 65536), default=8, metavar="N", help="Number of images in a step.")
    weight = {"type": real(0), "metavar": "X"}
    parser.add_argument(
        "--offset-weight", **weight, help="Weight of the lengths of the offsets. Default: 0.0002 in e4e, 0 in psp."
    )
    parser.add_argument(
        "--adversarial-weight", **weight, help="Weight of the latent discriminator. Default: 0.1 in e4e, 0 in psp."
    )
    flags.add(parser, "--perceptual-network", "--vgg", "--seed")
    flags.add(parser, "--workers", default=0)
    parser.add_argument(
        "--out", required=True, type=OutputFile(".safetensors"), metavar="FILE", help="Weights to write."
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from collections import Counter
    from dataclasses import asdict, replace

    from tqdm import tqdm

    from stylemap import checkpoint, datasets, perceptual, provenance
    from stylemap.cli import heldout, loading
    from stylemap.cli.running import Stop
    from stylemap.datasets import stream, unseen
    from stylemap.metrics.heldout import score
    from stylemap.training import encoder
    from stylemap.training.loop import due

    file = checkpoint.find_file(arguments.weights)
    inputs.keep_inputs([arguments.out], [file])
    model = loading.load_any(arguments)
    if model.latents.spatial:
        raise InputError(
            f"{arguments.weights} has stylemaps, whose encoder is trained with the generator; give other weights"
        )
    given = {"offsets": arguments.offset_weight, "adversarial": arguments.adversarial_weight}
    config = replace(
        encoder.STYLES[arguments.style],
        images=arguments.images,
        batch=arguments.batch,
        seed=arguments.seed,
        **{name: weight for name, weight in given.items() if weight is not None},
    )
    split = heldout.open_unseen([arguments.weights], arguments.data, model.config.resolution)
    network = perceptual.load(arguments.perceptual_network, model.device, arguments.vgg, file, largest=None)
    trainer = encoder.EncoderTrainer(model, network, config)
    state = arguments.out.with_suffix(".state.pt")
    about = asdict(config) | {
        "weights": provenance.sha256(file),
        "data": datasets.fingerprint(split.training, split.heldout),
        "perceptual network": network.origin,
    }
    pictures = stream.first_images(split.heldout, len(split.heldout))
    print(datasets.summarize(split.training, split.heldout), flush=True)
    every = max(config.batch, config.images // LINES)
    with Stop() as stop, tqdm(total=config.images, unit="img", disable=None, dynamic_ncols=True) as bar:
        sums = Counter()

        def advance(terms: dict) -> None:
            bar.update(trainer.seen - bar.n)
            sums.update(terms)
            sums["steps"] += 1
            if due(trainer.seen, config.batch, every):
                steps = sums.pop("steps")
                means = "  ".join(f"{name} {float(total) / steps:.4f}" for name, total in sums.items())
                error = score(trainer.finished(), pictures).mse
                tqdm.write(f"{trainer.seen:>9} images  held-out mse {error:.4f}  {means}")
                sys.stdout.flush()
                sums.clear()

        encoder.train_encoder(trainer, split.training, state, about, advance, stop, arguments.workers)
    if stop.signal:
        print(f"stopped after {trainer.seen} images; run the same command again to continue")
        return 128 + stop.signal
    model = trainer.finished()
    trained_on = unseen.Seen.of(split.data, len(split.heldout), split.training, split.heldout)
    seen = dict.fromkeys((trained_on, *checkpoint.seen_by(file)))
    note = {"style": arguments.style, **about, "images": trainer.seen}
    scores = score(model, pictures)
    measured = {"heldout_mse": scores.mse, "heldout_explained": scores.explained}
    info = {**measured, "encoder": note, **unseen.to_header(tuple(seen))}
    checkpoint.save(arguments.out, model, checkpoint.find_discriminator(file), checkpoint.read_info(file) | info)
    state.unlink()
    print(f"{arguments.out}  ({trainer.seen} images, held-out mse {info['heldout_mse']:.4f})")
    return 0
