"""What GRID's generative head does to the backbone: from probed runs, and from methods that only leave samples out."""

from __future__ import annotations

from pages.evidence import (
    BCE,
    DEFAULT,
    RESOLVED,
    TEST,
    VALIDATION,
    Records,
    Where,
    differences,
    over_rates,
    prose,
    table,
    told,
)

PROBE = {**DEFAULT, "method": "grid_probe"}
MEAN = {**PROBE, "parameters.kl_reduction": "mean"}
LIGHT = {**PROBE, "parameters.kl_weight": "0.1"}
SHARED = {**PROBE, "parameters.epsilon": "batch"}
EXCLUDE_LOSS = {"method": "exclude_loss", "loss": "bce", "parameters.lambda": "20"}
EXCLUDE_DIFFERENCE = {**DEFAULT, "method": "exclude_difference"}
EPOCHS = (1, 10, 20, 40, 80, 120)
LOGGED = {
    "kl": "KL divergence (nat)",
    "reconstruction": "reconstruction error",
    "generative_auroc": "AUROC, generative head",
    "discriminative_auroc": "AUROC, discriminative head",
    "generative_pull": "pull, generative head",
    "discriminative_pull": "pull, discriminative head",
}


def why(records: Records) -> list[str]:
    """Return the page's tables."""
    lines = prose(
        "# What GRID's generative head does, on `bluemarble`",
        "Runs of the plug-in [exclusion.py](../exclusion.py): default recipe, the paper's noise, lambda 20. "
        "`grid_probe` is GRID that logs more; its scores are GRID's own, which a test checks. Mean ± sample "
        "standard deviation over n seeds.",
        "AUROC: how well a head's output orders the labels that are trained on, mean over classes within "
        "mini-batches; 50 knows nothing of an image beyond the class prior. The generative head is read at the "
        "latent mean. Pull: mean length of a sample's gradient on its descriptor, which is what a head would send "
        "to the backbone.",
        "![Both heads over the epochs](../figures/why.png)",
    )
    for slnir in (30, 60):
        logs = {name: records.epochs(name, slnir, **PROBE) for name in LOGGED}
        n = logs["kl"].shape[1]
        rows = []
        for name, label in LOGGED.items():
            share, digits = (100, 1) if name.endswith("auroc") else (1, 3 if name.endswith("pull") else 2)
            cells = [told(logs[name].T[epoch] * share, digits=digits) for epoch in EPOCHS]
            rows.append([label, *cells])
        lines += [f"## Over the epochs, SLNIR {slnir} (n = {n})", ""]
        lines += table(["", *(f"epoch {epoch}" for epoch in EPOCHS)], rows)
    exclusion: dict[str, Where] = {
        "bce": BCE,
        "grid": DEFAULT,
        "leave out the 20 % of highest loss": EXCLUDE_LOSS,
        "leave out the 20 % of highest difference": EXCLUDE_DIFFERENCE,
    }
    rates = (30, 60)
    lines += ["## GRID against leaving the same share out", ""]
    lines += prose(
        "`exclude_loss` keeps the samples of highest loss in a mini-batch from the backbone and puts nothing in "
        "their place; `exclude_difference` chooses like GRID, but lets no head pull for what it chose."
    )
    for title, metric in (("Validation", VALIDATION), ("Test", TEST)):
        lines += [f"### {title}", "", *over_rates(records, exclusion, metric, rates)]
    lines += prose("### Paired differences, test", RESOLVED)
    lines += differences(
        records,
        {
            "grid - leave out by loss": (DEFAULT, EXCLUDE_LOSS),
            "grid - leave out by difference": (DEFAULT, EXCLUDE_DIFFERENCE),
            "leave out by difference - by loss": (EXCLUDE_DIFFERENCE, EXCLUDE_LOSS),
            "leave out by loss - bce": (EXCLUDE_LOSS, BCE),
            "leave out by difference - bce": (EXCLUDE_DIFFERENCE, BCE),
        },
        TEST,
        rates,
    )
    lines += ["## Variants of the generative part", ""]
    variants = {
        "as in the paper": DEFAULT,
        "KL: a tenth of its weight": LIGHT,
        "KL: mean over the latent": MEAN,
        "one epsilon a mini-batch": SHARED,
    }
    for title, metric in (("Validation", VALIDATION), ("Test", TEST)):
        lines += [f"### {title}", "", *over_rates(records, variants, metric)]
        lines += [f"### {title}, minus the paper's, paired by seed", ""]
        lines += differences(
            records,
            {name: (where, DEFAULT) for name, where in variants.items() if where is not DEFAULT},
            metric,
        )
    rows = []
    for name, where in {**variants, "as in the paper": PROBE}.items():
        for slnir in rates:
            if records.find(slnir, **where):
                last = {log: records.epochs(log, slnir, **where).iloc[-1] for log in LOGGED}
                cells = [told(last["kl"], digits=2)]
                cells += [told(last[f"{head}_auroc"] * 100) for head in ("generative", "discriminative")]
                cells += [told(last[f"{head}_pull"], digits=3) for head in ("generative", "discriminative")]
                rows.append([name, str(slnir), *cells, str(len(last["kl"]))])
    names = [LOGGED[name] for name in LOGGED if name != "reconstruction"]
    lines += ["### In the last epoch", ""]
    lines += prose(
        "Where the divergence is averaged over the 128 latent dimensions, it is given per dimension."
    )
    lines += table(["", "SLNIR", *names, "n"], rows)
    return lines
