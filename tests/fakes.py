"""Tiny models, tokenizers, tasks and data, made on the spot: no network, no download, a second to train."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from core.events import Emit
from core.examples import Example, Split, fingerprint
from core.heads.states import Encoder
from core.models.folders import fingerprint as fingerprint_of
from core.paths import AtlasPaths
from core.spec.execution import ExecutionOptions
from core.spec.model import ModelSpec
from core.spec.profile import job_id_of
from core.spec.protocol import ProtocolSpec, StageProtocol
from core.spec.run import DataSource, DataSourceKind, IntermediateSpec, RunSpec
from core.spec.task import Columns, Metric, Role, SplitRef, TaskSpec
from core.training.context import JobContext, SpecT
from core.types.classification import TextExample
from core.types.multilabel import MultiLabelExample
from core.types.multiple_choice import ChoiceExample
from core.types.regression import ScoredExample
from core.types.span_qa import SpanExample
from core.types.tagging import TaggedExample

ARCHITECTURES = (
    "bert", "roberta", "xlm-roberta", "xlnet", "distilbert", "deberta-v2", "electra", "albert", "modernbert",
)  # fmt: skip
"""Every architecture that tests send through every task type."""

WORDS = ("red", "blue", "green", "cat", "dog", "bird", "runs", "sleeps", "sings", "the", "a", "one", "not", "yes")
_SPECIALS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
_LETTERS = "abcdefghijklmnopqrstuvwxyz?.0123456789"


def _config(architecture: str, *, vocabulary: int) -> transformers.PreTrainedConfig:
    names = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    common = {"vocab_size": vocabulary, "pad_token_id": 1}
    match architecture:
        case "xlnet":
            return transformers.XLNetConfig(**common, d_model=16, n_layer=2, n_head=2, d_inner=32)
        case "distilbert":
            return transformers.DistilBertConfig(
                **common, dim=16, n_layers=2, n_heads=2, hidden_dim=32, max_position_embeddings=64
            )
        case "deberta-v2":
            return transformers.DebertaV2Config(
                **common, **names, relative_attention=True, pos_att_type=["p2c", "c2p"], position_buckets=16,
                position_biased_input=False, type_vocab_size=0, max_position_embeddings=64,
            )  # fmt: skip
        case "roberta" | "xlm-roberta":
            made = transformers.AutoConfig.for_model(
                architecture, **common, **names, max_position_embeddings=66, type_vocab_size=1
            )
        case "electra" | "albert":
            made = transformers.AutoConfig.for_model(
                architecture, **common, **names, embedding_size=8, max_position_embeddings=64
            )
        case "modernbert":
            made = transformers.AutoConfig.for_model(
                architecture, **common, **names, max_position_embeddings=64, classifier_pooling="mean",
                bos_token_id=0, cls_token_id=0, eos_token_id=2, sep_token_id=2,
            )  # fmt: skip
        case _:
            made = transformers.AutoConfig.for_model(architecture, **common, **names, max_position_embeddings=64)
    return made


def tiny_tokenizer(architecture: str) -> transformers.PreTrainedTokenizerFast:
    """A fast tokenizer of letters and a few words, with the specials where the architecture has them."""
    pieces = list(dict.fromkeys([*_SPECIALS, *_LETTERS, *(f"##{c}" for c in _LETTERS), *WORDS]))
    backend = Tokenizer(models.WordPiece({p: i for i, p in enumerate(pieces)}, unk_token="<unk>"))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    single, pair = {
        "xlnet": ("$A </s> <s>:2", "$A </s> $B:1 </s>:1 <s>:2"),
        "roberta": ("<s> $A </s>", "<s> $A </s> </s> $B </s>"),
        "xlm-roberta": ("<s> $A </s>", "<s> $A </s> </s> $B </s>"),
    }.get(architecture, ("<s> $A </s>", "<s> $A </s> $B:1 </s>:1"))
    backend.post_processor = processors.TemplateProcessing(
        single=single, pair=pair, special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    has_types = architecture not in {"roberta", "xlm-roberta", "distilbert", "modernbert"}
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend,
        cls_token="<s>", sep_token="</s>", pad_token="<pad>", unk_token="<unk>", mask_token="<mask>",
        padding_side="left" if architecture == "xlnet" else "right",
        model_max_length=64,
        model_input_names=["input_ids", *(["token_type_ids"] if has_types else []), "attention_mask"],
    )  # fmt: skip


def tiny_model(folder: Path, *, architecture: str = "bert", seed: int = 0, with_head: bool = False) -> ModelSpec:
    """A model folder with random weights, about 10,000 parameters; `with_head`: with a masked-language head."""
    tokenizer = tiny_tokenizer(architecture)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        kind = transformers.AutoModelForMaskedLM if with_head else transformers.AutoModel
        model = kind.from_config(_config(architecture, vocabulary=len(tokenizer)))
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    return ModelSpec(
        name=f"tiny-{architecture}",
        title="Tiny",
        path=str(folder),
        fingerprint=fingerprint_of(folder),
        architecture=architecture,
        languages="multilingual",
        licence="Apache-2.0",
        citation="none",
    )


_COLUMNS = {
    "classification": Columns(text="text", text_pair="pair", label="label", id="id"),
    "multilabel": Columns(text="text", label="labels", id="id"),
    "regression": Columns(text="text", text_pair="pair", label="value", id="id"),
    "tagging": Columns(words="words", tags="tags", id="id"),
    "span_qa": Columns(question="question", context="context", answers="answers", id="id"),
    "multiple_choice": Columns(text="text", choices="choices", label="label", id="id"),
    "retrieval": Columns(source="source", target="target", id="id"),
}
_METRICS = {
    "classification": (Metric.ACCURACY,),
    "multilabel": (Metric.MICRO_F1, Metric.MRP),
    "regression": (Metric.SPEARMAN, Metric.PEARSON),
    "tagging": (Metric.F1, Metric.ACCURACY),
    "span_qa": (Metric.F1, Metric.EXACT_MATCH),
    "multiple_choice": (Metric.ACCURACY,),
    "retrieval": (Metric.ACCURACY,),
}
KINDS = tuple(_COLUMNS)
"""Names of the task types that toy tasks are made of."""


@contextmanager
def small_memory(encoder: Encoder, *, tokens: int) -> Iterator[list[int]]:
    """Inside the block more than so many tokens at once run out of memory; the list holds what was refused."""
    refused: list[int] = []

    def look(_model: object, unnamed: tuple[torch.Tensor, ...], named: dict[str, torch.Tensor]) -> None:
        if (size := (unnamed[0] if unnamed else named["input_ids"]).numel()) > tokens:
            refused.append(size)
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9")

    hook = encoder.model.register_forward_pre_hook(look, with_kwargs=True)
    try:
        yield refused
    finally:
        hook.remove()


TRAINED = tuple(t for t in KINDS if t != "retrieval")
"""Task types that have a head."""


def toy_task(kind: str, *, name: str | None = None, max_length: int = 32) -> TaskSpec:
    """A task of a type whose data lie in a mirror made by `toy_mirror`."""
    is_trained = kind != "retrieval"
    has_labels = kind in {"classification", "multilabel", "tagging"}
    where = {s: SplitRef(path=f"toy/{kind}", config="{lang}", split=s) for s in ("train", "validation", "test")}
    return TaskSpec(
        name=name or f"toy_{kind}",
        title="Toy",
        type=kind,
        roles=(Role.TARGET, Role.INTERMEDIATE) if is_trained else (Role.TARGET,),
        summary="A toy.",
        languages=("en", "de", "sw"),
        labels=("O", "B", "I") if has_labels else (),
        columns=_COLUMNS[kind],
        train=where["train"] if is_trained else None,
        dev=where["validation"] if is_trained else None,
        test=where["test"],
        metrics=_METRICS[kind],
        chance=0.0,
        score_range=(0.0, 5.0) if kind == "regression" else None,
        max_length=max_length,
        doc_stride=8,
        licence="none",
        citation="none",
    )


def toy_example(kind: str, index: int, *, rng: random.Random) -> Example:
    """One example; its label can be read off its text."""
    words = tuple(rng.choice(WORDS) for _ in range(rng.randint(2, 9)))
    text, label, name = " ".join(words), WORDS.index(words[0]) % 3, f"e{index}"
    match kind:
        case "classification":
            return TextExample(name, text, words[-1], label)
        case "multilabel":
            return MultiLabelExample(name, text, tuple(sorted({label, len(words) % 3})))
        case "regression":
            return ScoredExample(name, text, words[-1], float(len(words) % 6))
        case "tagging":
            return TaggedExample(name, words, tuple(WORDS.index(w) % 3 for w in words))
        case "span_qa":
            context = f"{text} {text} {text}"
            return SpanExample(name, f"{words[-1]} ?", context, (words[-1],), (context.index(words[-1]),))
        case "multiple_choice":
            return ChoiceExample(name, text, tuple(rng.sample(WORDS, 3)), label)
        case _:
            raise ValueError(kind)


def toy_split(kind: str, *, role: str = "train", lang: str = "en", n: int = 24, seed: int = 0) -> Split:
    """A split of a toy task, made without any file."""
    task, rng = toy_task(kind), random.Random(f"{kind}{role}{lang}{seed}")
    examples = tuple(toy_example(kind, i, rng=rng) for i in range(n))
    return Split(
        task=task,
        role=role,  # type: ignore[arg-type]
        lang=lang,
        split=role,
        examples=examples,
        n_available=n,
        fingerprint=fingerprint(examples),
        revision=None,
        labels=task.labels,
    )


def _row(example: Example) -> dict[str, object]:
    row: dict[str, object] = {}
    for field, value in example._asdict().items():
        row[{"text_pair": "pair"}.get(field, field)] = list(value) if isinstance(value, tuple) else value
    if isinstance(example, SpanExample):
        row = {k: row[k] for k in ("id", "question", "context")}
        row["answers"] = {"text": list(example.answers), "answer_start": list(example.starts)}
    return row


def toy_mirror(root: Path, *, kinds: tuple[str, ...], n: int = 48) -> DataSource:
    """A folder in the hub's layout with English training data and tests in two languages; Swahili has none."""
    for kind in kinds:
        for lang in ("en", "de"):
            for role, split in (("train", "train"), ("dev", "validation"), ("test", "test")):
                if lang != "en" and role != "test":
                    continue
                rows = [_row(e) for e in toy_split(kind, role=role, lang=lang, n=n).examples]
                folder = root / "toy" / str(kind) / lang
                folder.mkdir(parents=True, exist_ok=True)
                pq.write_table(pa.Table.from_pylist(rows), folder / f"{split}-00000-of-00001.parquet")
    return DataSource(kind=DataSourceKind.MIRROR, root=str(root))


def toy_protocol(**stage: object) -> ProtocolSpec:
    """A protocol of a few steps; `stage` sets fields of both stages."""
    both = StageProtocol.model_validate(
        {"learning_rate": 1e-3, "batch_size": 8, "evaluations": 2, "max_steps": 4} | stage
    )
    return ProtocolSpec(name="toy", summary="A toy.", intermediate=both, target=both, max_test_examples=30)


def toy_context(
    spec: SpecT,
    home: Path,
    *,
    emit: Emit = lambda event: None,
    save_every_s: float = 30.0,
    batch_tokens: int | None = 256,
    helpers: tuple[torch.device, ...] = (),
) -> JobContext[SpecT]:
    """A job on the CPU, with its checkpoints in its folder below the home."""
    paths = AtlasPaths(home)
    checkpoints = paths.job(job_id_of(spec)).checkpoints
    execution = ExecutionOptions(batch_tokens=batch_tokens)
    return JobContext(spec, paths, torch.device("cpu"), emit, checkpoints, save_every_s, execution, helpers)


def toy_run(
    model: ModelSpec,
    *,
    target: str,
    intermediate: str | None = None,
    source: DataSource,
    protocol: ProtocolSpec | None = None,
) -> RunSpec:
    """A run on toy tasks; the intermediate is given as text, such as `toy_classification~mlm`."""
    inter = IntermediateSpec.parse(intermediate) if intermediate else None
    names = {f"toy_{target}", *(inter.needs if inter else ())}
    tasks = [toy_task(kind) for kind in KINDS]
    return RunSpec(
        model=model,
        intermediate=inter,
        target=f"toy_{target}",
        seed=1,
        protocol=protocol or toy_protocol(),
        data_source=source,
        tasks=tuple(sorted((t for t in tasks if t.name in names), key=lambda t: t.name)),
    )
