"""Write the model card from the measured figures: `python -m tools.encoder.card`.

The text is card.md beside this file; `{{name}}` marks are replaced by figures and tables. A mark without a figure is an
error, so the card cannot show a number that was not measured.
"""

import json
import re
from pathlib import Path
from typing import Annotated

import typer

from tools.encoder.corpus import SOURCES, UNCLEAR_LICENCE, load_monolingual, load_pairs
from tools.encoder.export import folder_size
from tools.encoder.layout import MODEL, RESULTS, SHARED

TEMPLATE = Path(__file__).with_name("card.md")
TASKS = {"xnli": "XNLI, accuracy", "panx": "PAN-X, span F1 (validation)", "udpos": "UDPOS, word accuracy"}
_MARK = re.compile(r"\{\{(\w+)\}\}")


def table(header: list[str], *, rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def tatoeba_table(results: dict) -> str:
    """Accuracy per language, six languages a row."""
    scores = [f"{lang} {score:.3f}" for lang, score in sorted(results["tatoeba"]["languages"].items())]
    rows = [scores[start : start + 9] for start in range(0, len(scores), 9)]
    return table(rows[0], rows=rows[1:])


def transfer_table(results: dict) -> str:
    """One line per task: English, the others, random weights, the margin."""
    rows = []
    for name, title in TASKS.items():
        figures = results[name]["summary"]
        margin = figures["margin"]
        rows.append(
            [
                title,
                f"{figures['english']:.3f}",
                f"{figures['others']:.3f}",
                f"{figures['others_random']:.3f}",
                f"{margin['mean']:+.3f} [{margin['low']:+.3f}, {margin['high']:+.3f}]",
                f"{figures['chance']:.3f}",
                f"{figures['languages_above_chance']} / {figures['other_languages']}",
                f"{figures['languages_above_random']} / {figures['other_languages']}",
            ]
        )
    header = [
        "task",
        "English",
        "other languages",
        "random weights",
        "margin, 95 %",
        "chance",
        "above chance",
        "above random",
    ]
    return table(header, rows=rows)


def transfer_languages(results: dict) -> str:
    """Zero-shot score per language and task; a dash where the mirror has no test data."""
    summaries = {name: results[name]["summary"]["languages"] for name in TASKS}
    languages = sorted(set().union(*summaries.values()))
    rows = [
        [lang, *(f"{scores[lang]:.3f}" if lang in scores else "-" for scores in summaries.values())]
        for lang in languages
    ]
    return table(["language", *TASKS.values()], rows=rows)


def data_table(shared: Path) -> str:
    """Rows, languages and licence of each source."""
    pairs, single = load_pairs(shared), load_monolingual(shared)
    rows = []
    for name, source in SOURCES.items():
        frame = single if source.kind == "mono" else pairs
        part = frame[frame["file"] == name]
        if len(part):
            shown = f"{name} (left out)" if name in UNCLEAR_LICENCE else name
            rows.append([shown, source.kind, f"{len(part):,}", str(part["lang"].nunique()), source.licence])
    return table(["source", "kind", "rows", "languages", "licence as stated"], rows=rows)


def marks(results: dict, *, shared: Path, folder: Path) -> dict[str, str]:
    """What each mark of the template stands for."""
    english, speed = results["english"], results["speed"]
    return {
        "tatoeba_mean": f"{results['tatoeba']['mean']:.3f}",
        "tatoeba_table": tatoeba_table(results),
        "transfer_table": transfer_table(results),
        "transfer_languages": transfer_languages(results),
        "data_table": data_table(shared),
        "stsb": f"{english['stsb_spearman']:.3f}",
        "teacher_stsb": f"{english['teacher_stsb_spearman']:.3f}",
        "domain_pearson": f"{english['domain_similarity']['pearson']:.3f}",
        "domain_spearman": f"{english['domain_similarity']['spearman']:.3f}",
        "domain_tasks": str(english["domain_similarity"]["tasks"]),
        "left_out": ", ".join(UNCLEAR_LICENCE),
        "load_automodel": f"{speed['load_s']['automodel']:.2f}",
        "load_sentence": f"{speed['load_s']['sentence_transformer']:.2f}",
        "sentences_per_s": f"{speed['sentences_per_s']:.0f}",
        "size_mib": f"{folder_size(folder) / 1024 / 1024:.1f}",
        "weights": results["weights"],
    }


def fill(template: str, *, marks: dict[str, str]) -> str:
    """The template with its marks replaced.

    Raises:
        KeyError: if the template has a mark without a figure.
    """
    return _MARK.sub(lambda match: marks[match.group(1)], template)


def main(
    shared: Annotated[Path, typer.Option(help="Folder that holds parallel/.")] = SHARED,
    folder: Annotated[Path, typer.Option(help="Model folder.")] = MODEL,
    results: Annotated[Path, typer.Option(help="JSON file with the figures.")] = RESULTS,
) -> None:
    """Write README.md into the model folder."""
    figures = json.loads(results.read_text(encoding="utf-8"))
    text = fill(TEMPLATE.read_text(encoding="utf-8"), marks=marks(figures, shared=shared, folder=folder))
    (folder / "README.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
