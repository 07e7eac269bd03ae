"""Packaging. The version lives in stylemap/__init__.py."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "stylemap/__init__.py").read_text())[1]

INSIDE = ("op", "configs", "pretrained")
EXTRAS = {
    # What later parts use; the core below trains, generates and edits without them.
    "fast": ["simplejpeg>=1.7"],
    "heic": ["pi-heif>=0.20"],
    "web": ["starlette>=1.0", "uvicorn>=0.30"],
    "onnx": ["onnx>=1.16", "onnxscript>=0.5", "onnxruntime>=1.20"],
    "metrics": ["torch-fidelity>=0.4"],
    "attributes": ["scikit-learn>=1.5"],
    "docs": ["zensical>=0.0.50", "mkdocstrings-python>=2"],
    "dev": [
        "pytest>=8",
        "pytest-xdist>=3.6",
        "hypothesis>=6.100",
        "ruff>=0.10",
        "mypy~=2.4",
        "vermin>=1.6",
        "starlette>=1.0",
        "uvicorn>=0.30",
        "httpx2>=2",
        "playwright>=1.49",
        "nbclient>=0.10",
        "ipykernel>=6.29",
        "lmdb>=1.4",
        "pi-heif>=0.20",
        "simplejpeg>=1.7",
        "scikit-learn>=1.5",
        "torch-fidelity>=0.4",
        "torchmetrics>=1.4",
        "zensical>=0.0.50",
        "mkdocstrings-python>=2",
    ],
}

setup(
    name="stylemap",
    version=VERSION,
    description="StyleMapGAN: train, reconstruct and edit photos locally in real time",
    long_description=(ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.10",
    # Operators, shipped weights and recipes stay at the top of the tree and are installed as part of the package.
    packages=[*find_packages(include=["stylemap", "stylemap.*"]), *(f"stylemap.{name}" for name in INSIDE)],
    package_dir={f"stylemap.{name}": name for name in INSIDE},
    package_data={
        "stylemap": ["py.typed", "*.pyi"],
        "stylemap.training.report": ["*.template"],
        "stylemap.editor": ["static/*"],
        "stylemap.op": ["*.cpp"],
        "stylemap.configs": ["*.yaml"],
        "stylemap.pretrained": ["*.safetensors", "*.md", "directions/*.safetensors"],
    },
    install_requires=[
        # Before 2.12 grid_sample has no second derivative on the CPU, which augmentation's geometry needs under R1.
        "torch>=2.12",
        "torchvision",
        "lpips>=0.1.4",
        "matplotlib>=3.8",
        "numpy>=1.26",
        "opencv-python>=4.9",
        "pillow>=10.3",
        "av>=17",
        "psutil>=5.9",
        "pyyaml>=6",
        "tensorboard>=2.16",
        "safetensors>=0.4.5",
        # Reads the docstrings of settings, which are the help of their flags; completes flags in the shell.
        "docstring-parser>=0.16",
        "argcomplete>=3.5",
        "tqdm>=4.66",
    ],
    extras_require={**EXTRAS, "all": sorted({need for needs in EXTRAS.values() for need in needs})},
    entry_points={"console_scripts": ["stylemap = stylemap.cli:run"]},
    classifiers=[
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
