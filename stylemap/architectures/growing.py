"""Growing: networks of twice the resolution that begin by doing what trained ones do.

Progressive GAN (section 3) fades new layers in. Here no schedule is needed: the first image is the old one enlarged, exactly, and
the new layers learn from the first step on.

- A generator adds the image of its new side to the enlarged image of the old one (the skips of StyleGAN2, section 4.1). The new
  to-RGB starts at zero.
- An encoder or a discriminator has a new from-RGB and a new block, which start with weights that hand the half-size image on to
  the old layers.
"""

import re

import torch
from torch import nn

from stylemap.architectures.layers import DownBlock, EqualConv
from stylemap.errors import InputError
from stylemap.operators.bias_act import SLOPE

COPIES = 6  # channels that hand an image on: each colour with both signs, since a leaky ReLU bends one of them


@torch.no_grad()
def grow_down(old: nn.Module, new: nn.Module) -> None:
    """Let an encoder or a discriminator of twice the resolution do with an image what ``old`` does with its half.

    Args:
        old, new: with ``from_rgb``, ``blocks``, and the same layers after them. Where a last layer has more outputs in
            ``new``, those of ``old`` come first.

    Raises:
        InputError: fewer than `COPIES` channels at the new side.
    """
    width = len(new.from_rgb.weight)
    if width < COPIES:
        raise InputError(
            f"networks need at least {COPIES} channels at the side that they grow to, and these would have {width}; start from "
            "wider networks (model.channel_base)"
        )
    state = new.state_dict()
    for name, value in old.state_dict().items():
        if not name.startswith("from_rgb."):
            state[re.sub(r"^blocks\.(\d+)", lambda m: f"blocks.{int(m[1]) + 1}", name)][: len(value)] = value
    _hand_on(new.from_rgb, new.blocks[0], old.from_rgb)


def _hand_on(from_rgb: EqualConv, block: DownBlock, old: EqualConv) -> None:
    """Set the new layers so that ``block(from_rgb(images))`` is ``old`` of the images at half the side.

    Channels 2 j and 2 j + 1 hold colour j and its negative through both leaky ReLUs: lrelu(t) - lrelu(-t) = (1 + SLOPE) t.
    The other channels keep their random weights. Nothing reads them yet, but conv2 and the skip can learn to.
    """
    signs = torch.tensor([1.0, -1.0])
    split = torch.kron(torch.eye(3), signs[:, None])  # [6, 3]: colours -> colours with both signs
    joined = split.T / (1 + SLOPE)  # [3, 6]: the way back, through the leaky ReLU
    _set(from_rgb, split)
    _set(block.conv1, split @ joined)
    _set(block.conv2, old.weight[:, :, 0, 0] * old.scale @ joined * 2**0.5)
    block.conv2.bias.copy_(old.bias * old.gain * 2**0.5 / block.conv2.gain)
    block.skip.weight.zero_()


def _set(conv: EqualConv, weight: torch.Tensor) -> None:
    """Let the first output channels be ``weight`` [C', C] times the first input channels, at the centre of the kernel."""
    outputs, inputs = weight.shape
    centre = conv.weight.shape[-1] // 2
    conv.weight[:outputs].zero_()
    conv.weight[:outputs, :inputs, centre, centre] = weight / conv.scale
    conv.bias[:outputs].zero_()
