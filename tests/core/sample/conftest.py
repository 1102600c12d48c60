"""One small build for the whole room: everything but the training sets in full size."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.sample.build import SOURCES, ensure_sample
from core.sample.lexicon import Language, load_language
from core.sample.realise import register
from core.sample.spec import LANGUAGES, SampleSpec

SMALL = SampleSpec(scale=0.06)
STUDY = SampleSpec(scale=0.01, domain="food", difficulty="hard")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ensure_sample(tmp_path_factory.mktemp("cache"), SMALL)


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ensure_sample(tmp_path_factory.mktemp("studies"), STUDY)


@pytest.fixture(scope="session")
def languages() -> dict[str, Language]:
    found = {code: load_language(SOURCES, code=code) for code in LANGUAGES}
    for language in found.values():
        register(language)
    return found
