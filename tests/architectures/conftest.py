"""The small runs of `tests.training`, whose cycles are here."""

from tests.training.conftest import begun, config, pictures, run, whole

__all__ = ["begun", "config", "pictures", "run", "whole"]
