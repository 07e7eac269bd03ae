"""Clips that people bring: read frame by frame, upright and at their times, and written again with their sound."""

from stylemap.clips.reading import Clip, Frame

__all__ = ["Clip", "Frame"]
