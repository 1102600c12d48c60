"""Choosing one of several texts: HellaSwag, SWAG, CosmosQA, CommonsenseQA, SocialIQA, PIQA, COPA in English, and XCOPA.

`labels` names the choices in order; a raw label is the index, the name, or what `label_values` says.
One example: text "Where do you store butter?", choices "fridge", "oven", label `A`.
"""

from __future__ import annotations

from core.spec.task import Columns, Metric, Role, SplitRef, TaskSpec

_HELLASWAG_REVISION = "218ec52e09a7e7462a5400043bb9a69a41d06b76"
_CSQA_REVISION = "94630fe30dad47192a8546eb75f094926d47e155"
_SUPER_GLUE = "aps/super_glue"
_SUPER_GLUE_REVISION = "3de24cf8022e94f4ee4b9d55a6f539891524d646"
_CAUSES = Columns(text=("premise", "question"), choices=("choice1", "choice2"), label="label")
_FALLBACK = "Where the training split is missing, part of the validation split is trained on, and the run says so."

HELLASWAG = TaskSpec(
    name="hellaswag",
    title="HellaSwag",
    type="multiple_choice",
    roles=(Role.INTERMEDIATE,),
    summary="Which of four endings continues a description? Wrong endings were written by a model and filtered.",
    languages=("en",),
    labels=("0", "1", "2", "3"),
    columns=Columns(text="ctx", choices="endings", label="label"),
    train=SplitRef(
        path="Rowan/hellaswag",
        config="default",
        split="train",
        revision=_HELLASWAG_REVISION,
        fallbacks=("validation",),
    ),
    dev=SplitRef(path="Rowan/hellaswag", config="default", split="validation", revision=_HELLASWAG_REVISION),
    metrics=(Metric.ACCURACY,),
    chance=0.25,
    max_length=160,
    licence="MIT",
    citation="Zellers et al. 2019, 1905.07830",
    url="https://rowanzellers.com/hellaswag/",
    train_examples=39_905,
    domain_words=("video captions", "WikiHow"),
    cautions=(_FALLBACK,),
)

SWAG = TaskSpec(
    name="swag",
    title="SWAG",
    type="multiple_choice",
    roles=(Role.INTERMEDIATE,),
    summary="Which of four endings continues a video caption?",
    languages=("en",),
    labels=("0", "1", "2", "3"),
    columns=Columns(text="startphrase", choices=("ending0", "ending1", "ending2", "ending3"), label="label"),
    train=SplitRef(path="allenai/swag", config="regular", split="train"),
    dev=SplitRef(path="allenai/swag", config="regular", split="validation"),
    metrics=(Metric.ACCURACY,),
    chance=0.25,
    licence="MIT",
    citation="Zellers et al. 2018, 1808.05326",
    url="https://rowanzellers.com/swag/",
    train_examples=73_546,
    domain_words=("video captions",),
    cautions=("Style gives many wrong endings away, which is why HellaSwag was made.",),
)

COSMOSQA = TaskSpec(
    name="cosmosqa",
    title="Cosmos QA",
    type="multiple_choice",
    roles=(Role.INTERMEDIATE,),
    summary="Questions on personal stories whose answer must be inferred; four choices.",
    languages=("en",),
    labels=("answer0", "answer1", "answer2", "answer3"),
    columns=Columns(
        text=("context", "question"), choices=("answer0", "answer1", "answer2", "answer3"), label="label", id="id"
    ),
    train=SplitRef(path="allenai/cosmos_qa", config="default", split="train", fallbacks=("validation",)),
    dev=SplitRef(path="allenai/cosmos_qa", config="default", split="validation"),
    metrics=(Metric.ACCURACY,),
    chance=0.25,
    max_length=256,
    licence="CC BY 4.0",
    citation="Huang et al. 2019, 1909.00277",
    url="https://wilburone.github.io/cosmos/",
    train_examples=25_262,
    domain_words=("blog posts",),
    cautions=(_FALLBACK, "The paper and Phang et al. count 25,588 training questions; the released file has 25,262."),
)

COMMONSENSEQA = TaskSpec(
    name="commonsenseqa",
    title="CommonsenseQA",
    type="multiple_choice",
    roles=(Role.INTERMEDIATE,),
    summary="Everyday questions with five choices, made from ConceptNet.",
    languages=("en",),
    labels=("A", "B", "C", "D", "E"),
    columns=Columns(text="question", choices="choices.text", choice_keys="choices.label", label="answerKey", id="id"),
    train=SplitRef(path="tau/commonsense_qa", config="default", split="train", revision=_CSQA_REVISION),
    dev=SplitRef(path="tau/commonsense_qa", config="default", split="validation", revision=_CSQA_REVISION),
    metrics=(Metric.ACCURACY,),
    chance=0.2,
    licence="MIT",
    citation="Talmor et al. 2019, 1811.00937",
    url="https://www.tau-nlp.org/commonsenseqa",
    train_examples=9_741,
    domain_words=("everyday knowledge",),
    cautions=("Of its two published splits the one that is called random is used; the test set has no answers.",),
)

SOCIALIQA = TaskSpec(
    name="socialiqa",
    title="SocialIQA",
    type="multiple_choice",
    roles=(Role.INTERMEDIATE,),
    summary="Why did they do that, how do they feel, what next? Three choices.",
    languages=("en",),
    labels=("answerA", "answerB", "answerC"),
    label_values=("1", "2", "3"),
    columns=Columns(text=("context", "question"), choices=("answerA", "answerB", "answerC"), label="label"),
    train=SplitRef(path="allenai/social_i_qa", config="default", split="train"),
    dev=SplitRef(path="allenai/social_i_qa", config="default", split="validation"),
    metrics=(Metric.ACCURACY,),
    chance=1 / 3,
    licence="None stated; released for research",
    citation="Sap et al. 2019, 1904.09728",
    url="https://leaderboard.allenai.org/socialiqa",
    train_examples=33_410,
    domain_words=("social situations",),
    cautions=(
        "Raw labels count from 1. The Hugging Face hub may hold a program that loads the data instead of the data; it "
        "is never run: use a mirror, a folder with the files.",
    ),
)

PIQA = TaskSpec(
    name="piqa",
    title="PIQA",
    type="multiple_choice",
    roles=(Role.INTERMEDIATE,),
    summary="Which of two ways reaches a practical goal?",
    languages=("en",),
    labels=("sol1", "sol2"),
    columns=Columns(text="goal", choices=("sol1", "sol2"), label="label"),
    train=SplitRef(path="ybisk/piqa", config="plain_text", split="train"),
    dev=SplitRef(path="ybisk/piqa", config="plain_text", split="validation"),
    metrics=(Metric.ACCURACY,),
    chance=0.5,
    licence="Academic Free License 3.0",
    citation="Bisk et al. 2020, 1911.11641",
    url="https://yonatanbisk.com/piqa/",
    train_examples=16_113,
    domain_words=("how-to instructions",),
    cautions=(
        "The test set has no labels (-1 throughout). The Hugging Face hub may hold a program that loads the data "
        "instead of the data; it is never run: use a mirror, a folder with the files.",
    ),
)

COPA = TaskSpec(
    name="copa",
    title="COPA",
    type="multiple_choice",
    roles=(Role.INTERMEDIATE,),
    summary="Which of two sentences is the cause, or the effect, of another?",
    languages=("en",),
    labels=("choice1", "choice2"),
    columns=_CAUSES,
    train=SplitRef(path=_SUPER_GLUE, config="copa", split="train", revision=_SUPER_GLUE_REVISION),
    dev=SplitRef(path=_SUPER_GLUE, config="copa", split="validation", revision=_SUPER_GLUE_REVISION),
    metrics=(Metric.ACCURACY,),
    chance=0.5,
    licence="BSD 2-Clause",
    citation="Roemmele et al. 2011; Wang et al. 2019 (SuperGLUE), 1905.00537",
    url="https://people.ict.usc.edu/~gordon/copa.html",
    train_examples=400,
    domain_words=("everyday events",),
    cautions=(
        "400 training and 100 development questions: one question is a point.",
        "Whether the cause or the effect is asked for is told to the model by that one word, after the premise.",
    ),
)

XCOPA = TaskSpec(
    name="xcopa",
    title="XCOPA",
    type="multiple_choice",
    roles=(Role.TARGET,),
    summary="Which of two sentences is the cause, or the effect, of another? COPA in eleven more languages.",
    languages=("en", "et", "ht", "id", "it", "qu", "sw", "ta", "th", "tr", "vi", "zh"),
    labels=("choice1", "choice2"),
    columns=_CAUSES,
    train=COPA.train,
    dev=COPA.dev,
    test=SplitRef(
        path="cambridgeltl/xcopa", config="{lang}", split="test", revision="042f78955ba48e6404616762fa6e05e839c3907a"
    ),
    english_test=COPA.dev,
    metrics=(Metric.ACCURACY,),
    chance=0.5,
    in_task_with=("copa",),
    licence="CC BY 4.0",
    citation="Ponti et al. 2020, 2005.00333; Ruder et al. 2021 (XTREME-R), 2104.07412",
    url="https://github.com/cambridgeltl/xcopa",
    train_examples=400,
    test_examples=500,
    domain_words=("everyday events", "translations"),
    cautions=(
        "It trains on COPA's 400 English questions. XTREME-R trains on SocialIQA before, an intermediate here.",
        "The labels of COPA's 500 English test questions are not public: English is scored on its 100 development "
        "questions, which also select the model.",
        "Whether the cause or the effect is asked for is told by that one word after the premise, in English in every "
        "language.",
        "Haitian Creole and Quechua are in few encoders' pretraining text: near chance is usual there.",
    ),
)
