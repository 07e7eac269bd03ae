"""What the page is told of what answers it: a model and its limits."""

from typing import Any

from stylemap import images, project, reading
from stylemap.datasets.parts import GROUPS
from stylemap.editing.edit import REFERENCES
from stylemap.editor import requests
from stylemap.editor.gallery import Gallery
from stylemap.editor.limits import PAGE_BYTES, Limits
from stylemap.editor.studio import Studio


def about(
    studio: Studio, gallery: Gallery, limits: Limits, detector: bool, fits: bool = True, depth: bool = True
) -> dict[str, Any]:
    """As ``GET /api/info`` answers, and as a site holds it.

    Args:
        detector: whether faces are found in photos.
        fits: whether the weights can be fitted to a photo.
        depth: whether files keep the depth, the profile and the metadata of a photo.
    """
    config = studio.model.config
    return {
        "weights": studio.weights,
        "model": studio.fingerprint,
        "resolution": config.resolution,
        "stylemap_size": config.stylemap_size,
        "layers": config.layers,
        "references": REFERENCES,
        "edit": requests.schema(),
        "seen": images.SEEN,
        "limits": {
            "bytes": limits.upload_bytes,
            "project": project.most_bytes(config, limits.upload_bytes),
            "pixels": limits.pixels,
            "page": PAGE_BYTES,
            "header": reading.LARGEST_HEADER,
            "kept": studio.cache.most_bytes,
            "enlarge": images.MOST_TIMES,
        },
        "parts": [{"name": name, "ids": list(map(int, ids))} for name, ids in GROUPS.items()],
        "directions": [{"name": d.name, "accuracy": d.origin.accuracy} for d in studio.directions.values()],
        "gallery": {"count": len(gallery), "about": gallery.about},
        "detector": detector,
        "fits": fits,
        "depth": depth,
    }
