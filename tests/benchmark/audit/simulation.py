"""Simulated archives with known errors. Margins of intervals were chosen on `warped` and `scene_types`; `trained` tests
them, and has margins of labels in training."""

from collections import defaultdict

import numpy as np

from gridbench.audit.estimate import estimate_errors
from gridbench.audit.expectation import expect
from gridbench.audit.ranking import evidence_of_margins, shifted

RATES = (0, 0.01, 0.03, 0.08, 0.15, 0.25, 0.4)
FOLDS = 5


def corrupt(rng, true, kind, rate, hard=None, alike=None):
    """Return true labels (N, C) with errors of a kind: missing, added, swap, confusable, class or instance."""
    given, ratio = true.copy(), true.mean() / (1 - true.mean())
    rates = np.full(true.shape, rate)
    if kind == "class":
        rates = np.broadcast_to(rng.uniform(0, 2 * rate, true.shape[1]).clip(0, 0.6), true.shape)
    if kind == "instance":
        rates = hard * rate / hard[true].mean()
    if kind in ("missing", "class", "instance"):
        given &= rng.random(true.shape) >= rates
    if kind in ("added", "class", "instance"):
        given |= ~true & (rng.random(true.shape) < rates * ratio)
    if kind in ("swap", "confusable"):
        for i, c in np.argwhere(true):
            free = np.flatnonzero(~true[i] & ~given[i])
            if len(free) and rng.random() < rate:
                given[i, c] = False
                given[i, free[alike[c, free].argmax()] if kind == "confusable" else rng.choice(free)] = True
    return given


def sigmoid(odds):
    return 1 / (1 + np.exp(-np.clip(odds, -30, 30)))


def warped(rng, images, classes, kind, rate):
    """Predictions by Bayes' rule from one number a label, off in scale and offset."""
    prevalence, skill = rng.uniform(0.1, 0.5, classes), rng.uniform(1.5, 4, classes)
    true = rng.random((images, classes)) < prevalence
    evidence = rng.standard_normal((images, classes)) + skill * (true - 0.5)
    odds = skill * evidence + np.log(prevalence / (1 - prevalence))
    probabilities = sigmoid(odds * rng.uniform(0.5, 1.5) + rng.normal(0, 0.3))
    return true, corrupt(rng, true, kind, rate), probabilities, None


def scene_types(rng, images, classes, kind, rate):
    """Labels by the type of scene; predictions by neighbours or naive Bayes, from noisy labels of other folds."""
    types, size = int(rng.integers(6, 25)), int(rng.integers(8, 24))
    probable = rng.beta(0.25, 0.5, (types, classes))
    probable[np.arange(types), rng.integers(0, classes, types)] = 0.97
    of = rng.choice(types, images, p=rng.dirichlet(np.full(types, 2.0)))
    true = rng.random((images, classes)) < probable[of]
    true[~true.any(1), 0] = True
    centres = rng.standard_normal((types, size)) * rng.uniform(0.6, 1.6)
    own = rng.standard_normal((classes, size)) * rng.uniform(0.5, 1.5)
    seen = centres[of] + true @ own + rng.standard_normal((images, size)) * rng.uniform(0.5, 1.5)
    given = corrupt(rng, true, kind, rate)
    fold, probabilities = rng.permutation(images) % FOLDS, np.zeros(true.shape)
    by_neighbours, count, temper = rng.integers(2), int(rng.integers(7, 40)), rng.uniform(0.3, 1)
    for f in range(FOLDS):
        kept, held = fold != f, fold == f
        if by_neighbours:
            distances = ((seen[held][:, None] - seen[kept][None]) ** 2).sum(-1)
            near = np.argpartition(distances, count, 1)[:, :count]
            probabilities[held] = (given[kept][near].sum(1) + 0.5) / (count + 1)
            continue
        for c in range(classes):
            label = given[kept, c]
            share = (label.sum() + 1) / (len(label) + 2)
            odds = np.full(held.sum(), np.log(share / (1 - share)))
            if 2 < label.sum() < len(label) - 2:
                for side, sign in ((label, 1), (~label, -1)):
                    mean, variance = seen[kept][side].mean(0), seen[kept][side].var(0) + 0.1
                    fit = ((seen[held] - mean) ** 2 / variance + np.log(variance)).sum(1)
                    odds = odds - sign * temper * fit / 2
            probabilities[held, c] = sigmoid(odds)
    return true, given, probabilities, None


def trained(rng, images, classes, kind, rate):
    """Classes along directions; predictions by logistic regressions on the noisy labels of other folds."""
    size = int(rng.integers(6, 30))
    hidden, along = rng.standard_normal((images, size)), rng.standard_normal((size, classes))
    along[:, 1:] += rng.uniform(0, 0.6) * along[:, :-1]
    along /= np.linalg.norm(along, axis=0)
    latent = hidden @ along + rng.uniform(0.1, 0.5) * rng.standard_normal((images, classes))
    shares = rng.uniform(0.08, 0.5, classes)
    cut = np.array([np.quantile(latent[:, c], 1 - share) for c, share in enumerate(shares)])
    true = latent > cut
    lonely = ~true.any(1)
    true[lonely, (latent - cut)[lonely].argmax(1)] = True
    given = corrupt(rng, true, kind, rate, np.exp(-np.abs(latent - cut)), along.T @ along)
    seen = hidden + rng.uniform(0, 0.5) * rng.standard_t(4, hidden.shape)
    half = size // 2
    seen = np.concatenate([seen, np.tanh(seen[:, :half] * seen[:, size - half :]), np.ones((images, 1))], 1)
    fold, probabilities = rng.permutation(images) % FOLDS, np.zeros(true.shape)
    ridge = rng.choice([0.3, 3, 20]) * np.eye(seen.shape[1])
    sign, margins = np.where(given, 1, -1), np.zeros(true.shape)
    for f in range(FOLDS):
        kept = fold != f
        for c in range(classes):
            weights = np.zeros(seen.shape[1])
            for _ in range(8):
                said = sigmoid(seen[kept] @ weights)
                slope = seen[kept].T @ (given[kept, c] - said) - ridge @ weights
                bend = (seen[kept] * (said * (1 - said))[:, None]).T @ seen[kept] + ridge
                weights += np.linalg.solve(bend, slope)
                margins[kept, c] += seen[kept] @ weights / 8 / (FOLDS - 1)
            probabilities[~kept, c] = sigmoid(seen[~kept] @ weights)
    return true, given, probabilities, sign * margins


KINDS = {
    warped: ("missing", "added", "swap", "class"),
    scene_types: ("swap", "missing", "added", "class"),
    trained: ("swap", "missing", "added", "confusable", "class", "instance"),
}


def simulate(make, count, sizes=(200, 400, 1000), classes=(5, 10), resamples=100, first=0):
    """Return name -> whether each interval held the truth, for each rate and for precision along the list."""
    held = defaultdict(list)
    for trial in range(first, first + count):
        rng = np.random.default_rng(trial)
        kinds = KINDS[make]
        kind, rate = kinds[trial % len(kinds)], RATES[trial // len(kinds) % len(RATES)]
        true, given, probabilities, margins = make(
            rng, int(rng.choice(sizes)), int(rng.choice(classes)), kind, rate
        )
        found = estimate_errors(given, probabilities, rng, resamples)
        truth = {
            "missing": (true & ~given).sum() / true.sum(),
            "wrong": (given & ~true).sum() / given.sum(),
            "errors": (given != true).mean(),
        }
        for name, value in truth.items():
            ends = getattr(found, name)
            for group in (name, f"{kind} noise", f"rate {rate}"):
                held[group].append(ends.low <= value <= ends.high)
        evidence = evidence_of_margins(found.scores, margins)
        expected = expect(found, given, probabilities, rng, evidence)
        scores = shifted(found.scores, evidence)
        wrong = (given != true).ravel()[np.argsort(-scores, axis=None, kind="stable")]
        for share in (0.01, 0.05, 0.1):
            at = int(np.abs(np.array(expected.k) - share * wrong.size).argmin())
            precision = wrong[: expected.k[at]].mean()
            held[f"precision at {share}"].append(expected.low[at] <= precision <= expected.high[at])
        if expected.change:
            held["mends more than it breaks"].append(wrong[: expected.change].mean() > 0.5)
            held["changed rightly"].extend(wrong[: expected.change])
    return dict(held)
