"""dhub: a hub alone. Tasks come with dquery or dwork.Client, workers with kworker, in any order."""

from __future__ import annotations

import signal

import click

from dwork import __version__
from dwork.bridge import listen
from dwork.connection import DEFAULT_PORT
from dwork.hub import Hub, Policy
from dwork.loop.hub import HubLoop
from dwork.messages import Welcome
from dwork.options import policy_options
from dwork.program import ExitCode, click_main, leave, say
from dwork.report import Report
from dwork.signals import Signals


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-p", "--port", type=click.IntRange(1, 65535), default=DEFAULT_PORT, show_default=True, help="Port to listen on."
)
@click.option(
    "--bind",
    metavar="ADDRESS",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; 0.0.0.0 for all. Whoever reaches it can run commands as you.",
)
@policy_options
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.version_option(__version__)  # fmt: skip
def command(port: int, bind: str, policy: Policy, quiet: bool) -> int:
    """Hold a graph of tasks and hand them to workers, until Ctrl-C or SIGTERM.

    \b
    Examples:
      dhub &                                  on this machine only
      dquery create 'echo hello'              give it something to do
      kworker                                 do it
    """
    router = listen(bind, port)
    hub = Hub(policy, Welcome(server=router.server))
    report = Report(lambda text: say("dhub", text), quiet=quiet)
    if not quiet:
        say("dhub", f"listening on {router.server}")
    try:
        with Signals((signal.SIGINT, signal.SIGTERM)) as signals:
            loop = HubLoop(hub, [router], [report])
            while not signals.take():
                loop.turn()
                loop.sleep(signals.descriptor)
            loop.dismiss()
    finally:
        router.close()
    return ExitCode.DONE


def main() -> None:
    """The console script."""
    leave(click_main("dhub", command))


if __name__ == "__main__":
    main()
