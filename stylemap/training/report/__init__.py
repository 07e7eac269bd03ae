"""``report.html``: a run on one page that needs nothing but itself, made from the run folder alone.

It is written anew at every saved state, so it must not cost the training anything to speak of: nothing here imports torch,
and the image sheets that the last report shrank are taken from there.
"""

from stylemap.training.report.page import NAME, write

__all__ = ["NAME", "write"]
