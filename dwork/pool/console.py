"""What a pool prints for people on standard error, above the progress bar."""

from __future__ import annotations

from dwork.cli.program import say
from dwork.output.relay import Relay
from dwork.output.streams import Streams
from dwork.progress.choice import choose


class Console:
    """The standard error of a pool. progress: one of progress.choice.WAYS. face: shows the progress there.

    streams: those for the output of tasks.
    """

    def __init__(self, relay: Relay, progress: str, *, quiet: bool) -> None:
        self.quiet = quiet
        self._screen, self.face = choose(progress, self.tell, relay.err)
        self.restore, self.close = self._screen.restore, self._screen.close
        self.streams = Streams(self._screen.above(relay.stream(1)), self._screen.above(relay.stream(2)))

    def make_room(self, stream: int) -> None:
        """Make room for whole lines on this stream: 1 is stdout, 2 stderr."""
        self._screen.hide()
        self.streams.begin(stream)

    def say(self, text: str) -> None:
        """Print a line, even if the pool is quiet."""
        self.make_room(2)
        say("dwork", text)

    def tell(self, text: str) -> None:
        """Print a line, unless the pool is quiet."""
        if not self.quiet:
            self.say(text)
