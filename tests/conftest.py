"""One thread per process: the tests' tensors are small, and two threads that wait for each other are slower than one."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that tests start

import torch  # noqa: E402

torch.set_num_threads(1)
