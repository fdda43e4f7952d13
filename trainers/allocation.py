"""Memory that the C library keeps for the next pass instead of giving it back to the system after each."""

import ctypes
import platform

# mallopt(3) of glibc, by the numbers in malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGE = 1 << 30  # bytes


def keep_freed() -> bool:
    """Lets glibc reuse freed arrays of up to 1 GiB; returns whether it will, False with another C library.

    By default it maps each array above 32 MiB anew and returns free memory at the heap's end, so the system hands out
    and clears the same pages in every pass: in a step of 2,048 tokens of the sizes 1m and 5m, about 40,000 page faults
    and a tenth of the time. The process stays as large as it was at its largest.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_MMAP_THRESHOLD, _LARGE) and mallopt(_TRIM_THRESHOLD, 2 * _LARGE - 1))
