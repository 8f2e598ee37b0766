"""Does a piece of work now and then, and says so; a real one would take it from a queue."""
import os
import time

n = 0
while True:
    n += 1
    print(f"instance {os.environ['NAP_INSTANCE']}: piece {n} is done", flush=True)
    time.sleep(2)
