"""Parts of a face: their ids, groups of them, and the labels of images in files."""

from stylemap.datasets.parts.ids import GROUPS, Part, part_ids
from stylemap.datasets.parts.label_files import FILE_PARTS, WHOLE, Files, PartLabels, read_label_map

__all__ = ["FILE_PARTS", "GROUPS", "WHOLE", "Files", "Part", "PartLabels", "part_ids", "read_label_map"]
