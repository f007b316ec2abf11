"""cpu and cuda: which one, the kernels loaded for it, arrays handed over."""

from physsim.device.choice import CPU, Device, instruction_set, resolve, thread_count

__all__ = ["CPU", "Device", "instruction_set", "resolve", "thread_count"]
