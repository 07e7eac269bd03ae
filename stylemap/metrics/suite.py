"""The table of metrics: a metric is a function in a file of this package, and its line here.

Nothing here imports torch, so that help texts stay fast.
"""

from typing import Literal, NamedTuple

VGG, INCEPTION, FACES = "VGG-16 weights", "torch-fidelity, Inception weights", "avatars, scikit-learn"


class Metric(NamedTuple):
    """A line of the table."""

    module: str
    """The file in this package. Its METRICS has the function that computes the metric, under the same name."""
    better: Literal["lower", "higher"]
    needs: str = ""
    """Beside weights and images."""


METRICS: dict[str, Metric] = {
    "mse": Metric("reconstruction", "lower"),
    "psnr": Metric("reconstruction", "higher"),
    "ssim": Metric("reconstruction", "higher"),
    "lpips": Metric("reconstruction", "lower", VGG),
    "mse_src": Metric("local_editing", "lower"),
    "mse_ref": Metric("local_editing", "lower"),
    "swd": Metric("swd", "lower"),
    "swd_lerp": Metric("swd", "lower"),
    "fid": Metric("features", "lower", INCEPTION),
    "fid_lerp": Metric("features", "lower", INCEPTION),
    "kid": Metric("features", "lower", INCEPTION),
    "precision": Metric("features", "higher", INCEPTION),
    "recall": Metric("features", "higher", INCEPTION),
    "ppl_zfull": Metric("ppl", "lower", VGG),
    "ppl_wfull": Metric("ppl", "lower", VGG),
    "ppl_zend": Metric("ppl", "lower", VGG),
    "ppl_wend": Metric("ppl", "lower", VGG),
    "latent_distance": Metric("latent_distance", "lower"),
    "editability": Metric("editability", "higher", "avatars"),
    "separability_z": Metric("separability", "lower", FACES),
    "separability_w": Metric("separability", "lower", FACES),
    "detectability": Metric("detectability", "lower"),
}
DEFAULT = tuple(name for name, metric in METRICS.items() if not metric.needs)  # no download, no extra
