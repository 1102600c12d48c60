"""The English encoders: what they know of another language is what its words share with English."""

from __future__ import annotations

from core.spec.model import ModelSpec

_DEVLIN = "Devlin et al. 2019, 1810.04805"

ENGLISH: tuple[ModelSpec, ...] = (
    ModelSpec(
        name="bert-base-uncased",
        title="BERT base (uncased)",
        path="google-bert/bert-base-uncased",
        revision="86b5e0934494bd15c9632b12f734a8a67f723594",
        architecture="bert",
        languages="english",
        parameters_m=110,
        retrieval_layer=7,
        licence="Apache-2.0",
        citation=_DEVLIN,
    ),
    ModelSpec(
        name="bert-base-cased",
        title="BERT base (cased)",
        path="google-bert/bert-base-cased",
        revision="cd5ef92a9fb2f889e972770a36d4ed042daf221e",
        architecture="bert",
        languages="english",
        parameters_m=108,
        retrieval_layer=7,
        licence="Apache-2.0",
        citation=_DEVLIN,
    ),
    ModelSpec(
        name="roberta-base",
        title="RoBERTa base",
        path="FacebookAI/roberta-base",
        revision="e2da8e2f811d1448a5b465c236feacd80ffbac7b",
        architecture="roberta",
        languages="english",
        parameters_m=125,
        retrieval_layer=7,
        licence="MIT",
        citation="Liu et al. 2019, 1907.11692",
    ),
    ModelSpec(
        name="xlnet-base",
        title="XLNet base (cased)",
        path="xlnet/xlnet-base-cased",
        architecture="xlnet",
        languages="english",
        parameters_m=117,
        retrieval_layer=7,
        licence="MIT",
        citation="Yang et al. 2019, 1906.08237",
    ),
    ModelSpec(
        name="modernbert-base",
        title="ModernBERT base",
        path="answerdotai/ModernBERT-base",
        architecture="modernbert",
        languages="english",
        parameters_m=149,
        retrieval_layer=13,  # ours: 7 of 12 is 13 of 22
        licence="Apache-2.0",
        citation="Warner et al. 2024, 2412.13663",
    ),
)
"""In the order of lists."""
