"""Packaging. The version lives in stylemap/__init__.py."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "stylemap/__init__.py").read_text())[1]

# The project's address has one place. Links lead to the files of this version, by the paths that GitHub has.
CITATION = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
ADDRESS = re.search(r'^repository-code: *"?(https://[^"\s]+?)/?"?$', CITATION, re.MULTILINE)
URL = ADDRESS and ADDRESS[1]

INSIDE = ("op", "configs", "pretrained")


def description() -> str:
    """The README for the package index, which has no files beside it: links lead to `URL`, or are plain text without one."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    picture, link = r"!\[([^\]]*)\]\((?!https?:)([^)\s]+)\)", r"\[([^\]]*)\]\((?!https?:|#)([^)\s]+)\)"
    if URL:
        text = re.sub(picture, rf"![\1]({URL}/raw/v{VERSION}/\2)", text)
        return re.sub(link, rf"[\1]({URL}/blob/v{VERSION}/\2)", text)
    captions = r"\n\*[^*\n][^*]*\*\n"  # of pictures
    return re.sub(link, r"\1", re.sub(rf"{picture}\n(?:{captions})?", "", text))


ONNX = ["onnx>=1.19", "onnxscript>=0.6", "onnxruntime>=1.23"]
EXTRAS = {
    # What later parts use; the core below trains, generates and edits without them.
    "fast": ["simplejpeg>=1.7"],
    "heic": ["pi-heif>=0.20"],
    "web": ["starlette>=1.0", "uvicorn>=0.30"],
    "onnx": ONNX,
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
        "axe-playwright-python>=0.1.8",
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
        *ONNX,
    ],
}

setup(
    name="stylemap",
    version=VERSION,
    description="StyleMapGAN: train, reconstruct and edit photos locally in real time",
    long_description=description(),
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
        "stylemap.webapp": ["scripts/*"],
        "stylemap.op": ["*.cpp"],
        "stylemap.configs": ["*.yaml"],
        "stylemap.pretrained": ["*.safetensors", "*.md", "directions/*.safetensors", "parts/*.safetensors"],
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
    keywords=["GAN", "StyleMapGAN", "StyleGAN", "image editing", "GAN inversion", "faces", "PyTorch"],
    project_urls={"Paper": "https://arxiv.org/abs/2104.14754"}
    | ({"Source": URL, "Changelog": f"{URL}/blob/main/CHANGELOG.md"} if URL else {}),
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Environment :: Web Environment",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: OS Independent",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in range(10, 14)),
        "Topic :: Multimedia :: Graphics :: Editors",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
)
