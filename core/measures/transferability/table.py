"""Which intermediate to choose before training on the target: what profiles score and store, and rankings read.

To add a selector: a function of a `Candidate` and a record at the end of `SELECTORS`, both here (they draw from one
stream, in the order of the table). `inference/ranking.py` judges them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from core.measures.base import Measure, by_name
from core.measures.inference.intervals import Floats, Interval, Plan, block_jackknife
from core.measures.transferability.features import h_score, knn_accuracy, linear_probe, logme, transrate
from core.measures.transferability.source_labels import leep, negative_conditional_entropy
from core.measures.transferability.task_embedding import task_similarity


class TaskGradients(NamedTuple):
    """Squared gradients of the original encoder on two tasks' training examples (`task_embedding.py`)."""

    intermediate: Floats
    """(n, layers, d)."""
    target: Floats
    """(m, layers, d)."""


class Candidate(NamedTuple):
    """An intermediate and a target, as selectors see them."""

    features: Floats
    """(n, d) of the encoder after the intermediate, on the target's English training texts."""
    labels: NDArray[np.int64]
    """(n,) the target's classes."""
    gradients: Callable[[], TaskGradients | None]
    """Worked out when asked for, as it takes a pass back through the encoder; None where the intermediate has no
    classes. Raises DataError where the target's cannot be had."""
    source: Floats | None = None
    """(n, classes of the intermediate) what its own head says of the same texts, rows of sum 1; None where that names
    no class."""
    mapped: Floats | None = None
    """(n, d) of the original encoder on the same texts, moved as the stage moves its own texts (`space_map.py`)."""


class SelectorFunction(Protocol):
    """How a selector is called."""

    def __call__(self, candidate: Candidate, *, rng: np.random.Generator, plan: Plan) -> Interval | None:
        """The score with its interval over examples; None: it is not defined for this pair."""
        ...


@dataclass(frozen=True, kw_only=True)
class Selector(Measure):
    """A score of an intermediate for a target, before any training on the target."""

    function: SelectorFunction
    """Of the encoder after the intermediate."""


def over_groups(
    score: Callable[..., float], *, read: str = "features", least: float = -np.inf, most: float = np.inf
) -> SelectorFunction:
    """A selector from one number, with the jackknife over groups of examples.

    A bootstrap repeats examples, which a fit in nearly as many dimensions as examples takes for evidence.

    Args:
        score: `(rows, *, labels) -> float`.
        read: What of a candidate its rows are; where that is None, the selector is not defined.
        least: Smallest value there is.
        most: Largest value there is.
    """

    def selector(candidate: Candidate, *, rng: np.random.Generator, plan: Plan) -> Interval | None:
        values: Floats | None = getattr(candidate, read)
        if values is None:
            return None

        def of_rows(rows: NDArray[np.int64]) -> float:
            return score(values[rows], labels=candidate.labels[rows])

        found = block_jackknife(candidate.labels, statistic=of_rows, rng=rng)
        return found._replace(low=max(found.low, least), high=min(found.high, most))

    return selector


def knn(candidate: Candidate, *, rng: np.random.Generator, plan: Plan) -> Interval:
    """Leave-one-out accuracy of the nearest neighbours."""
    return knn_accuracy(candidate.features, labels=candidate.labels, rng=rng, plan=plan)


def probe(candidate: Candidate, *, rng: np.random.Generator, plan: Plan) -> Interval:
    """Cross-validated accuracy of a logistic regression."""
    return linear_probe(candidate.features, labels=candidate.labels, rng=rng, plan=plan)


def task_embedding(candidate: Candidate, *, rng: np.random.Generator, plan: Plan) -> Interval | None:
    """How alike the intermediate and the target are to the encoder before any stage."""
    found = candidate.gradients()
    return None if found is None else task_similarity(found.intermediate, other=found.target, rng=rng)


SELECTORS: dict[str, Selector] = by_name(
    Selector(
        name="logme",
        title="LogME",
        unit="nats an example",
        direction=1,
        meaning="How well a Bayesian linear regression on the features explains the labels.",
        formula="max over prior and noise precision of log p(y | F) / n, mean over classes",
        source="You et al. 2021, 2102.11005",
        function=over_groups(logme),
    ),
    Selector(
        name="h_score",
        title="H-score",
        unit="no unit, 0 to classes − 1",
        direction=1,
        meaning="How far the means of the classes lie apart, in units of the features' spread.",
        formula="(1 − a) tr(Σ_a⁻¹ Σ of class means), a the Ledoit–Wolf shrinkage",
        source="Bao et al. 2019; Ibrahim et al. 2021",
        function=over_groups(h_score, least=0.0),
    ),
    Selector(
        name="transrate",
        title="TransRate",
        unit="nats, 0 or more",
        direction=1,
        meaning="How much more room the features take together than inside the classes.",
        formula="R(Z) − Σ n_c/n R(Z_c), R(Z) = ½ log det(I + ZᵀZ / nε), unit mean square",
        source="Huang et al. 2022",
        function=over_groups(transrate, least=0.0),
    ),
    Selector(
        name="knn",
        title="Nearest neighbours",
        unit="share, 0 to 1",
        direction=1,
        meaning="How often the five nearest texts have the label.",
        formula="leave-one-out accuracy of 5 cosine neighbours",
        source="ours",
        function=knn,
    ),
    Selector(
        name="linear_probe",
        title="Linear probe",
        unit="share, 0 to 1",
        direction=1,
        meaning="How often a linear classifier of the features has the label.",
        formula="5-fold accuracy of logistic regression on standardised features",
        source="ours",
        function=probe,
    ),
    Selector(
        name="task_embedding",
        title="Task embedding",
        unit="cosine, 0 to 1",
        direction=1,
        meaning="Whether both tasks pull at the same features of the original encoder; the intermediate stage plays no "
        "part.",
        formula="cosine of the diagonal empirical Fisher informations of both tasks, mean over layers; Fisher: mean "
        "squared gradient of log p(label) in each layer's output, summed over pieces, p a logistic regression on the "
        "frozen original encoder",
        source="Achille et al. 2019, 1902.03545; Vu et al. 2020, 2005.00770 (TaskEmb)",
        function=task_embedding,
    ),
    Selector(
        name="leep",
        title="LEEP",
        unit="nats an example, 0 or less",
        direction=1,
        meaning="How well the target's labels follow from what the intermediate's own head says of its texts.",
        formula="mean of log Σ_z P(y | z) p(z | x), p of the intermediate's head, P(y | z) from the same texts",
        source="Nguyen et al. 2020, 2002.12462",
        function=over_groups(leep, read="source", most=0.0),
    ),
    Selector(
        name="nce",
        title="NCE",
        unit="nats an example, 0 or less",
        direction=1,
        meaning="How sure the target's labels are once the label that the intermediate's head gives is known.",
        formula="−H(Y | Z), Z the likeliest class of the intermediate's head",
        source="Tran et al. 2019, 1908.08142",
        function=over_groups(negative_conditional_entropy, read="source", most=0.0),
    ),
    Selector(
        name="esm_logme",
        title="ESM-LogME",
        unit="nats an example",
        direction=1,
        meaning="LogME of the original encoder's features, moved by the one linear map that the intermediate makes of "
        "its own texts: the trained encoder need not read the target.",
        formula="LogME of x + W x + b, W and b the ridge regression of (state after − before) on state before, over "
        "the intermediate's texts",
        source="Schulte et al. 2024, 2410.15148 (there a layer trained by gradient steps)",
        function=over_groups(logme, read="mapped"),
    ),
)
"""By the name in `selector_scores.selector`."""
