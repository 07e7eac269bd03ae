"""What a measurement was made on."""

import datetime

import torch

from stylemap.comparison.machine import processor


def machine(device: torch.device | None = None) -> dict[str, str | int]:
    return {
        "cpu": processor(),
        "device": torch.cuda.get_device_name(device) if device is not None and device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }
