"""Conformance checks for reproducibility: repeated and resumed training, and independence of the clean labels."""

from __future__ import annotations

from gridbench.conformance.findings import first_difference, require
from gridbench.conformance.subject import Subject

__all__ = [
    "computes_the_same_again",
    "draws_from_its_streams_alone",
    "learns_from_the_given_labels_alone",
    "resumes_exactly",
    "starts_alike",
]


def starts_alike(subject: Subject) -> None:
    """Starts from the same weights each time."""
    one, other = subject.built.method.state_dict(), subject.fresh().method.state_dict()
    different = first_difference(one, other)
    require(
        not different,
        f"{different!r} differs between two builds: make networks through setup.build(name, ...)",
    )


def computes_the_same_again(subject: Subject) -> None:
    """Training twice gives the same bits."""
    if not first_difference(subject.trained[1], subject.trained_blind):
        return
    different = first_difference(subject.trained[1], subject.trained_again)
    require(
        not different,
        f"{different!r} differs between two trainings with one seed: draw random numbers from batch.generator",
    )


def draws_from_its_streams_alone(subject: Subject) -> None:
    """Training draws nothing from the global generators of Python and numpy."""
    require(
        not subject.drawn,
        f"it draws from the global generator of {subject.drawn}, which a resumed run does not find as it was: draw "
        "random numbers from batch.generator",
    )


def learns_from_the_given_labels_alone(subject: Subject) -> None:
    """What is learnt does not depend on the clean labels."""
    different = first_difference(subject.trained[1], subject.trained_blind)
    require(
        not different or first_difference(subject.trained[1], subject.trained_again),
        f"{different!r} depends on the archive's own labels: learn from the labels of the batch and of the training "
        "view, or declare labels = 'clean' for a reference row",
    )


def resumes_exactly(subject: Subject) -> None:
    """Going on from a checkpoint after an interruption inside an epoch gives the same bits as not stopping."""
    different = first_difference(subject.trained[1], subject.resumed()[1])
    require(
        not different,
        f"{different!r} differs after a resumption: state that a step needs must be in the state_dict "
        "(register_buffer), or follow from batch.epoch and batch.step",
    )
