"""Signs in the log that a run goes wrong, each with what to try."""

from collections.abc import Sequence

OVERPOWERED = 0.9  # mean sign of D's logits of real images; half of them count as real at 0
LONG = 5  # ticks
COLLAPSED = 0.1  # of the best diversity there was
ALIVE = 0.2  # diversity, relative to that of real images, that a run must have had before it can be lost


def alarms(records: Sequence[dict]) -> list[str]:
    """The alarms of the ticks of a run so far, oldest first: one line each, or nothing."""
    return [text for check in (_overpowered, _collapsed) if (text := check(records))]


def _overpowered(records: Sequence[dict]) -> str | None:
    signs = [record["real_sign"] for record in records[-LONG:] if record.get("real_sign") is not None]
    if len(signs) < LONG or min(signs) <= OVERPOWERED:
        return None
    return (
        f"the discriminator has been sure of nearly all real images for {LONG} ticks (real_sign {signs[-1]:.2f}): it may have "
        "learned them by heart; try --augment.mode adaptive, a higher --optim.r1-gamma, or more images"
    )


def _collapsed(records: Sequence[dict]) -> str | None:
    values = [(r["sample_diversity"], r["images"]) for r in records if r.get("sample_diversity") is not None]
    if len(values) < 2:
        return None
    # More than real images have is the noise of an untrained generator.
    best, when = max((min(value, 1.0), -images) for value, images in values)
    when = -when
    now = values[-1][0]
    if best < ALIVE or now >= COLLAPSED * best:
        return None
    return (
        f"samples have become nearly alike (diversity {now:.3f}, {best:.3f} at image {when}): go back to an earlier state "
        "(delete the newer ones, then --resume) with a higher --optim.r1-gamma or a lower --optim.lr"
    )
