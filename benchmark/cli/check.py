"""`gridbench check`: the conformance suite for a component, of a plug-in or built in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gridbench.cli.options import parse_assignments, plugin_option
from gridbench.core.terminal import say
from gridbench.errors import RunFailed, counted

if TYPE_CHECKING:
    from gridbench.conformance import Finding

__all__ = ["check"]


@click.command()
@click.argument("what", metavar="FILE_OR_NAME")
@click.option(
    "-p",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="Parameter of the component; can be repeated.",
)
@click.option(
    "--loss", "losses", multiple=True, metavar="NAME", help="Check only with this loss; can be repeated."
)
@plugin_option
def check(what: str, parameters: tuple[str, ...], losses: tuple[str, ...]) -> None:
    """Check whether a method, loss, noise model or data set does all that the harness relies on.

    FILE_OR_NAME is a plug-in file, all of whose components are checked, or a registered name.

    \b
    Examples:
      gridbench check my_method.py
      gridbench check grid
    """  # noqa: D301
    from gridbench.conformance import check_component, components_named
    from gridbench.core.environment import cpu_threads
    from gridbench.core.plugins import load_plugin
    from gridbench.registry import LOSSES

    given = parse_assignments(parameters)
    for loss in losses:
        LOSSES.get(loss)
    path = Path(what)
    components = load_plugin(path) if path.suffix == ".py" or path.is_file() else components_named(what)
    failed = 0
    for kind, name in components:
        say(f"{kind} {name}")
        # The images have a few pixels, so more threads would only wait for each other.
        with cpu_threads(1):
            findings = list(check_component(kind, name, given, losses))
        for line in _lines(findings):
            say(f"  {line}")
        failed += len({finding.check for finding in findings if not finding.passed})
    if failed:
        raise RunFailed(f"{counted(failed, 'check')} failed.")
    say("All checks passed.")


def _lines(findings: list[Finding]) -> list[str]:
    """Return a line for each check that passed, and one for each reason why it failed."""
    lines = []
    for check in dict.fromkeys(finding.check for finding in findings):
        reasons: dict[str, list[str]] = {}
        for finding in findings:
            if finding.check == check and not finding.passed:
                reasons.setdefault(finding.reason, []).append(finding.subject)
        if not reasons:
            lines.append(f"ok      {check}")
        for reason, subjects in reasons.items():
            where = f" (with {', '.join(subjects)})" if any(subjects) else ""
            lines.append(f"FAILED  {check}{where}: {reason}")
    return lines
