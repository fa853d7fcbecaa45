"""What every system must do, tried with nothing that only POSIX has: ``python -m tests.windows``."""
