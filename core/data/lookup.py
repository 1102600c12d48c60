"""What is missing of the data of a run, found while it is planned: places are looked up, nothing is read."""

from __future__ import annotations

from collections.abc import Mapping

from core.data.locate import locate
from core.data.origin import DataOrigin
from core.errors import DataError, HubUnreachable
from core.examples import SplitRole
from core.spec.task import TaskSpec

_SHOWN = 8


def look_up_studied(task: TaskSpec, *, origin: DataOrigin) -> None:
    """Refuse a task whose English training or development data are not there.

    Args:
        task: What will be trained on; the parts of a joined task are looked for when they are read.
        origin: Where the examples come from.

    Raises:
        MissingSplit: A split is not there; lists what is.
        DataError: The data set cannot be looked into.
    """
    roles: tuple[SplitRole, ...] = ("dev",) if task.parts else ("train", "dev")
    for role in roles:
        locate(task, role=role, lang="en", origin=origin)


def missing_tests(task: TaskSpec, *, origin: DataOrigin, until_one: bool = False) -> dict[str, str]:
    """Languages that cannot be scored, with the reason of each.

    Args:
        task: The target.
        origin: Where the examples come from.
        until_one: Whether to look no further once a language can be scored.

    Raises:
        HubUnreachable: Nothing can be known.
    """
    roles: tuple[SplitRole, ...] = ("test", "dev") if task.mining else ("test",)
    reasons: dict[str, str] = {}
    for lang in task.languages:
        try:
            for role in roles:
                locate(task, role=role, lang=lang, origin=origin)
        except HubUnreachable:
            raise
        except DataError as error:
            reasons[lang] = str(error)
        else:
            if until_one:
                break
    return reasons


def nothing_there(task: TaskSpec, reasons: Mapping[str, str]) -> str:
    """Why no language of a target can be scored: every language with its reason, equal reasons once.

    Args:
        task: The target.
        reasons: Language → why not.
    """
    places = [ref.config for ref in (task.test, task.dev) if ref is not None and ref.config]
    groups: dict[str, list[str]] = {}
    for lang, reason in reasons.items():
        text = reason
        for config in places:
            text = text.replace(f"'{config.replace('{lang}', task.own_name(lang))}'", f"'{config}'")
        groups.setdefault(text, []).append(lang)
    shown = [f"{', '.join(langs)}: {text}" for text, langs in groups.items()]
    more = f" … and {len(shown) - _SHOWN} other reasons" if len(shown) > _SHOWN else ""
    return f"None of {len(task.languages)} languages of '{task.name}' can be scored. {' '.join(shown[:_SHOWN])}{more}"
