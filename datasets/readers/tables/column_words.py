"""Names that people give the columns of label tables, in lower case with underscores for blanks, and their cells."""

from __future__ import annotations

import re

from gridbench.datasets.readers.splitting import SPLIT_WORDS

__all__ = [
    "ANSWERS",
    "BINARY",
    "EMPTY",
    "GROUP_NAMES",
    "INDEX_NAMES",
    "KEY_NAMES",
    "LIST_NAMES",
    "NO_CLASSES",
    "NO_LABELS",
    "PANDAS_INDEX",
    "SPLIT_FLAGS",
    "SPLIT_NAMES",
    "UNSURE",
    "UNSURE_PREFIXES",
    "UNSURE_SUFFIXES",
    "VERDICTS",
]


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


KEY_NAMES = ("file", "filename", "file_name", "image", "image_name", "name", "path", "id", "image\\label", "")
INDEX_NAMES = _words("index idx id row no nr num number #") | {""}
"""Columns that may be a running number."""
PANDAS_INDEX = re.compile(r"(unnamed|level|index_level)(_\d+)+")
"""Columns that pandas makes of an index without a name."""

LIST_NAMES = _words(
    "labels label classes class tags tag category categories target targets class_name label_name",
    "scene scene_class land_use land_cover landuse landcover choice choices",
)
"""Columns that hold labels by name."""

SPLIT_NAMES = _words("split subset phase set partition")
GROUP_NAMES = _words("group group_id")

SPLIT_FLAGS = {
    **dict.fromkeys(("is_valid", "is_val", "is_validation"), "val"),
    **dict.fromkeys(("is_test", "is_holdout"), "test"),
    **dict.fromkeys(("is_train", "is_training"), "train"),
    **{word: SPLIT_WORDS[word] for word in ("train", "val", "valid", "validation", "dev", "test")},
}
"""Columns of 0 and 1 in fastai's, Kaggle's and scikit-learn's tables that say where a row belongs -> what 1 means."""

NO_CLASSES = {name for name in SPLIT_FLAGS if name.startswith("is_")} | _words(
    "fold folds kfold k_fold cv_fold fold_id index idx"
)
"""Columns of 0 and 1 that are never a class."""

UNSURE = _words(
    "train val valid validation dev test weight weights sample_weight confidence score count counts total sum",
    "num_labels n_labels difficult truncated occluded crowd iscrowd verified checked reviewed approved labelled",
    "labeled annotated used use keep exclude excluded ignore flag quality duplicate ok",
    "split subset phase set partition group part batch version round session annotator rater reviewer labeler labeller",
    "expert blurry valid_pixels nodata selected sampled done",
    "none nothing no_label no_labels unlabeled unlabelled not_labeled not_labelled unknown",
)
UNSURE_PREFIXES = ("is_", "has_", "n_", "num_")
UNSURE_SUFFIXES = ("_flag", "_id", "_count", "_ok", "_checked", "_verified", "_split", "_set")
"""Columns of 0 and 1 that may be a class or not."""

NO_LABELS = _words(
    "date time datetime timestamp created created_at updated_at annotator annotated_by author user username labeler",
    "labeller reviewer photographer comment comments note notes remark remarks description caption source url link",
    "captions text prompt license licence country city region location place site sensor camera satellite platform",
    "season month year lat lon latitude longitude crs md5 sha256 uuid",
)
"""Columns of words that say something else about an image than what it shows."""

BINARY = {"true": 1, "false": 0, "yes": 1, "no": 0, "t": 1, "f": 0, "y": 1, "n": 0}
ANSWERS = BINARY | {
    **dict.fromkeys(
        _words(
            "x \u2713 \u2714 + on present positive pos ja oui si s\u00ed sim da tak \u0434\u0430 \u662f wahr vrai",
            "verdadero verdadeiro vero \u0438\u0441\u0442\u0438\u043d\u0430 \u771f",
        ),
        1,
    ),
    **dict.fromkeys(
        _words(
            "\u2717 \u2718 - off absent negative neg nein non n\u00e3o nie \u043d\u0435\u0442 \u5426 falsch faux",
            "falso \u043b\u043e\u0436\u044c \u5047",
        ),
        0,
    ),
}
"""What people and spreadsheets in several languages write into the column of a class -> whether an image has it."""
VERDICTS = {
    **dict.fromkeys(
        _words("accept accepted approve approved ok okay valid correct keep kept good done"), True
    ),
    **dict.fromkeys(
        _words("reject rejected skip skipped cancelled canceled ignore ignored invalid wrong"), False
    ),
    **dict.fromkeys(_words("incorrect discard discarded deleted"), False),
}
"""What tools and people write into a column that says whether the label of a row holds -> whether it does."""
EMPTY = {"", "nan", "null", "none", "n/a", "na", "<na>"}
