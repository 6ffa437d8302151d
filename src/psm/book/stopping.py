"""Stopping: a scheduler's SIGTERM and a closed terminal clean up as Ctrl-C does; a second signal does not break the cleaning."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@contextmanager
def stoppable() -> Iterator[None]:
    """Within this block, in the main thread, the first of SIGNALS raises KeyboardInterrupt and later ones do nothing."""
    signals = [sign for sign in SIGNALS if signal.getsignal(sign) is not signal.SIG_IGN]

    def stop(*_: object) -> None:
        for sign in signals:
            signal.signal(sign, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {sign: signal.signal(sign, stop) for sign in signals}
    try:
        yield
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)
