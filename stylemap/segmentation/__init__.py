"""Parts of any image, named from the features of the generator that draws it."""

from stylemap.segmentation.learning import learn
from stylemap.segmentation.segmenter import Origin, Segmenter, find, load, open_segmenter, place_of, save

__all__ = ["Origin", "Segmenter", "find", "learn", "load", "open_segmenter", "place_of", "save"]
