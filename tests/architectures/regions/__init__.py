"""A third architecture, as small as one can be: a latent is one vector for each half of the image.

It is a folder like those in `stylemap/architectures`. `test_architectures.py` adds its line to the table, and nothing else.
"""

from stylemap.architectures import Architecture
from tests.architectures.regions.config import RegionsConfig, RegionsTraining

ARCHITECTURE = Architecture(
    RegionsConfig,
    RegionsTraining,
    model="tests.architectures.regions.model:RegionsModel",
    cycle="tests.architectures.regions.cycle:RegionsCycle",
)
