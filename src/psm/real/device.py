"""Where real models are computed: on the processor, or on a GPU that the variable PSM_DEVICE names."""

from __future__ import annotations

import os
import re

from psm.errors import UsageError

CPU = "cpu"
VARIABLE = "PSM_DEVICE"
KNOWN = re.compile(r"cpu|mps|cuda(:\d{1,3})?", re.ASCII)


def wanted_device() -> str:
    """The device that PSM_DEVICE names, "cpu" where it names none; imports nothing heavy. Raises UsageError for an unknown one."""
    device = os.environ.get(VARIABLE) or CPU
    if not KNOWN.fullmatch(device):
        raise UsageError(f"{VARIABLE} is '{device}': set it to cpu, cuda, cuda:NUMBER or mps, or leave it out for the CPU")
    return device


def demand_device() -> str:
    """The wanted device, known to be there. Raises UsageError where this machine, or its torch, has none of the kind."""
    device = wanted_device()
    if device == CPU:
        return device
    import torch

    kind, _, number = device.partition(":")
    on_cuda = torch.cuda.is_available() and int(number or 0) < torch.cuda.device_count()
    there = torch.backends.mps.is_available() if kind == "mps" else on_cuda
    if not there:
        raise UsageError(f"{VARIABLE} is '{device}', but torch finds no such device here: set it to cpu, or leave it out")
    return device
