"""A match of thirds, made by hand."""

from __future__ import annotations

from core.spec.match import Contrast, Match, MatchedThird


def near_match(target: str) -> Match:
    """The third near to a target, of a pool of 1,500; the numbers are round."""
    return Match(
        third="near",
        target=target,
        encoder="tiny",
        n_pool=1500,
        n_target_texts=1000,
        thirds=tuple(
            MatchedThird(
                name=name, n=500, label_shares=(0.5, 0.5), length=80.0, bits=0.4, similarity=cosine, word_overlap=words
            )
            for name, cosine, words in (("near", 0.1, 0.6), ("middle", 0.0, 0.55), ("far", -0.1, 0.5))
        ),
        contrasts=tuple(
            Contrast(other=name, label_gap=0.0, length=0.01, bits=-0.02, similarity=apart)
            for name, apart in (("middle", 1.25), ("far", 2.5))
        ),
    )
