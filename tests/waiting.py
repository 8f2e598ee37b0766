"""Tests wait for conditions, not for seconds."""
import time


def patience(default, every=0.02):
    """until(what, seconds=default, why=…): looks again and again until what() is true, and gives what it said. why is a
    text, or gives one when it is wanted."""

    def until(what, seconds=default, why=None):
        end = time.monotonic() + seconds
        while True:
            value = what()
            if value:
                return value
            assert time.monotonic() < end, why() if callable(why) else why or "it did not come about: %r" % (value,)
            time.sleep(every)

    return until
