"""What every test needs of the process it runs in."""

import signal

# A shell that runs its jobs in the background hands down SIGINT as ignored, and so do we to every child: tests that
# interrupt one need it as a terminal has it.
signal.signal(signal.SIGINT, signal.default_int_handler)
