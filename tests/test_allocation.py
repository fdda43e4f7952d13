import platform
import resource
import subprocess
import sys

import pytest

PROGRAM = """
import resource
from trainers import allocation
assert allocation.keep_freed()
faults, size = [], 1 << 26
for _ in range(3):
    b"x" * size
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(faults[2] - faults[1])  # of the third array of the same size
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library than glibc")
def test_freed_memory_is_used_again():
    pages = (1 << 26) // resource.getpagesize()
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert int(run.stdout) < pages // 100
