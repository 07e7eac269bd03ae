"""All metrics by name."""

from stylemap.metrics import (
    detectability,
    fid,
    kid,
    latent_distance,
    local_editing,
    ppl,
    precision_recall,
    reconstruction,
    separability,
    swd,
)
from stylemap.metrics.evaluation import Evaluation, Metric, Result, measure

METRICS: dict[str, Metric] = {
    **reconstruction.METRICS,
    **local_editing.METRICS,
    **swd.METRICS,
    **fid.METRICS,
    **kid.METRICS,
    **precision_recall.METRICS,
    **ppl.METRICS,
    **latent_distance.METRICS,
    **separability.METRICS,
    **detectability.METRICS,
}
DEFAULT = tuple(name for name, metric in METRICS.items() if not metric.needs)  # no download, no extra


def compute(evaluation: Evaluation, name: str) -> Result:
    """One metric by its name, see `evaluation.measure`."""
    return measure(METRICS[name], evaluation)
