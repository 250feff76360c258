"""What a pool prints for people on standard error, above the progress bar."""

from __future__ import annotations

from dwork.cli.program import say
from dwork.output.printer import Stream
from dwork.output.relay import Relay
from dwork.progress.choice import choose


class Console:
    """The standard error of a pool. progress: one of progress.choice.WAYS. face: shows the progress there."""

    def __init__(self, relay: Relay, progress: str, *, quiet: bool) -> None:
        self._relay = relay
        self.quiet = quiet
        self._screen, self.face = choose(progress, self.tell, relay.err)
        self.hide, self.restore, self.close = self._screen.hide, self._screen.restore, self._screen.close

    def say(self, text: str) -> None:
        """Print a line, even if the pool is quiet."""
        self._screen.hide()
        say("dwork", text)

    def tell(self, text: str) -> None:
        """Print a line, unless the pool is quiet."""
        if not self.quiet:
            self.say(text)

    def stream(self, number: int) -> Stream:
        """Return the stream for the output of tasks: 1 for stdout, 2 for stderr."""
        return self._screen.above(self._relay.stream(number))
