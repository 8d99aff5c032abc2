"""The parameters of GRID, and the resolution of lambda if it is not a number."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gridbench.errors import InputError
from gridbench.methods.base import Context, Method
from gridbench.parameters import parameter

__all__ = ["Parameters", "resolve_lambda"]


@dataclass(frozen=True)
class Parameters(Method.Parameters):
    """Parameters of GRID."""

    lambda_: float | str | None = parameter(
        None,
        "share of each mini-batch flagged as noisy, percent; unset: 20 for scene losses, 10 for pixel losses; auto: "
        "estimated once, 5 % into training, from its predictions (scene losses; ours, beyond the paper)",
        "paper, Section V-A",
        low=0,
        high=100,
        words=("slnir", "auto"),
        search=(0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0),
    )
    mode: str = parameter(
        "hybrid",
        "which reasoning trains the backbone",
        "paper, Fig. 6",
        choices=("hybrid", "discriminative", "generative", "joint"),
    )
    latent: int = parameter(128, "latent dimension J of the VAE", "paper, Section IV-B", low=1, high=65536)
    kl_weight: float = parameter(
        1.0,
        "weight of the KL divergence",
        "paper, eq. 7",
        low=0,
        search=(0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0),
    )
    kl_reduction: str = parameter(
        "sum",
        "how the KL divergence is reduced",
        "paper, eq. 7; axis_one: published code",
        choices=("sum", "mean", "axis_one"),
    )
    epsilon: str = parameter(
        "sample",
        "one latent noise vector per sample, or one for the whole batch",
        "paper, eq. 6; batch: published code",
        choices=("sample", "batch"),
    )
    selection: str | None = parameter(
        None,
        "unset: a sample is either noisy or clean; two_sorts: each side is searched for, tied samples may be both",
        "paper, eqs. 9 and 10; two_sorts: published code",
        choices=("two_sorts",),
    )


def resolve_lambda(parameters: Parameters, context: Context) -> Parameters:
    """Fill in lambda: the loss's own share, or the noise rate itself where the user ties it to SLNIR.

    Raises:
        InputError: lambda=auto with a loss of label maps, which it cannot read a noise rate off.
    """
    if parameters.lambda_ == "slnir":
        return replace(parameters, lambda_=float(context.slnir))
    if parameters.lambda_ is None:
        assert context.loss is not None
        return replace(parameters, lambda_=float(context.loss.lambda_percent))
    if parameters.lambda_ == "auto" and context.loss is not None and context.loss.task.level == "pixel":
        raise InputError(
            f"lambda=auto reads the noise rate off predicted scene labels, and the loss {context.loss.name!r} "
            "learns from label maps. Give lambda as a number, 0 to 100."
        )
    return parameters
