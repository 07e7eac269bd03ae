"""Metrics of generative models. A file has one metric, or several of a kind, which have their lines in the table of `suite`.

A model is measured as an `Evaluation`, which keeps what several metrics share, against a `Reference`, which several models share.
Everything random depends on a seed. Images are uint8 [N, R, R, 3]; sets of them come in batches and are never held as a whole,
but their features are. docs/metrics.md defines the metrics and says what they compare with.
"""
