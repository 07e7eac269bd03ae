"""How much memory an action takes."""

import warnings

from torch.profiler import ProfilerActivity, profile


def peak(action) -> int:
    """Bytes that the CPU allocator holds at most, of what it gives out during the action."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*Profiler clears events")  # torch 2.12 says so of the first profile
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
            action()
    live = most = 0
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]":
            live += event.nbytes()
            most = max(most, live)
    return most
