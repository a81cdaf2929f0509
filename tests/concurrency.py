"""Running many threads at once, with switches between them as often as the interpreter allows."""

import sys
import threading


def run_together(work, count, interval=1e-5):
    """Call `work(k)` for k below `count`, each in a thread of its own."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(interval)
    threads = [threading.Thread(target=work, args=(k,)) for k in range(count)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
