"""Settings and words of the command line."""

from __future__ import annotations

import json

import pytest
from inputs import OSC


def lol(merge: bool) -> str:
    lines = ["a0: &a0 {x: 1, y: 2}"]
    for i in range(1, 30):
        body = ", ".join(f"k{j}: *a{i - 1}" for j in range(9))
        lines.append(
            f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}], {body}}}" if merge else f"a{i}: &a{i} {{{body}}}"
        )
    return "\n".join(lines)


YAMLS = {
    "aliases": lambda: lol(False),
    "merge keys": lambda: lol(True),
    "lists": lambda: (
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "\n".join(f"b{i}: &b{i} [{','.join([f'*b{i - 1}' if i else '*a'] * 9)}]" for i in range(12))
    ),
    "itself": lambda: "a: &a [*a]",
    "deep": lambda: "[" * 50_000,
    "deep mappings": lambda: "{a: " * 20_000,
    "python": lambda: "!!python/object/apply:os.system ['true']",
    "binary": lambda: "a: !!binary '====='",
    "date": lambda: "seed: 2020-99-99",
    "number": lambda: "seed: " + "9" * 5000,
    "controls": lambda: "method: 'x\\x1b'",
    "a key": lambda: "? [a]\n: b",
    "a list": lambda: "- a",
    "tabs": lambda: "\ta: b",
    "infinite": lambda: "slnir: .inf",
    "directive": lambda: "%YAML 9.9\n---\na: b",
    "keys": lambda: "\n".join(f"k{i}: 1" for i in range(20_000)),
    "a name of Python": lambda: "method: !!python/name:os.system",
    "a set": lambda: "!!set {method, seed}",
    "ordered pairs": lambda: "!!omap [seed: 1]",
    "a tag of one's own": lambda: "seed: !include /etc/passwd",
    "two documents": lambda: "seed: 1\n---\nseed: 2",
    "10,000 documents": lambda: "---\n" * 10_000,
    "keys within keys": lambda: "? " * 3000 + "a",
    "a key twice": lambda: "seed: 1\nseed: 2",
    "sexagesimal": lambda: "seed: 1:30",
    "a truth": lambda: "seed: yes",
    "a number in octal": lambda: "epochs: 0o777777777777777777777777",
    "underscores": lambda: "slnir: 1_0_0_0",
    "no number": lambda: "slnir: .nan",
    "an alias before its anchor": lambda: "a: *b\nb: &b 1",
    "an anchor of 100,000 characters": lambda: f"a: &{'b' * 100_000} 1",
    "a parameter of controls": lambda: f"parameters: {{{json.dumps(OSC)}: 1}}",
    "a list of lists for a number": lambda: "seed: [[[[1]]]]",
    "text": lambda: "x" * (3 * 2**20),
}


@pytest.mark.parametrize("kind", YAMLS)
def test_settings_that_are_none_are_refused(check, tmp_path, kind):
    (tmp_path / "x.yaml").write_text(YAMLS[kind]())
    check("run", "--config", "x.yaml")


LONG = "x" * 5000
RUN = ["run", "--dataset", "stripes"]
WORDS: list[list[str]] = [
    [*RUN, "--runs", LONG],
    ["leaderboard", "--runs", LONG],
    ["status", "--runs", LONG],
    ["leaderboard", "import", LONG],
    ["leaderboard", "--out", LONG, "--baselines"],
    [*RUN, "--cache", LONG],
    [*RUN, "--threads", "1000000"],
    ["sweep", "--method", "bce", "--dataset", "stripes", "--threads", "1000000"],
    ["sweep", "--method", "bce", "--dataset", "stripes", "--threads", "٥"],
    [*RUN, "--device", "meta"],
    [*RUN, "--slnir", "1e-400"],
    [*RUN, "--slnir", "1e400"],
    [*RUN, "--slnir", "nan"],
    [*RUN, "--slnir", OSC],
    [*RUN, "--method", OSC],
    [*RUN, "--loss", OSC],
    [*RUN, "--backbone", OSC],
    [*RUN, "--noise", OSC],
    [*RUN, "--config", OSC],
    [*RUN, "--plugin", OSC],
    [*RUN, "-p", OSC],
    [*RUN, OSC],
    [OSC],
    [f"--{OSC}"],
    ["run", "--dataset", OSC],
    ["leaderboard", "--filter", OSC],
    ["leaderboard", "--filter", f"{OSC}=1", "--baselines"],
    ["leaderboard", "--metric", OSC, "--baselines"],
    ["leaderboard", "--runs", OSC],
    ["status", "--runs", OSC],
    ["score", OSC, "--distance", "cosine"],
    ["data", "info", OSC],
    ["data", "verify", OSC],
    ["noise", "inspect", OSC],
    ["list", OSC],
    ["leaderboard", "import", OSC],
    ["leaderboard", "--runs", "nothing", "--baselines"],
    [*RUN, "--epochs", "9" * 400],
    [*RUN, "--seed", "-1"],
    [*RUN, "--seed", "\u0665"],
    [*RUN, "--batch-size", "1e9"],
    [*RUN, "--slnir", "=1"],
    [*RUN, "--method", "../../precious"],
    [*RUN, "--method", "bce\0"],
    [*RUN, "--method", "x" * 100_000],
    [*RUN, "--weights", "hf-hub:../../precious"],
    [*RUN, "--weights", "http://127.0.0.1:1/x.pth"],
    ["run", "--dataset", "../../precious"],
    ["data", "info", "../../precious"],
    ["data", "verify", "/etc"],
    ["leaderboard", "import", "b.zip", "--origin", "../x"],
    ["leaderboard", "--figures", "/proc/x", "--baselines"],
    ["leaderboard", "--filter", "slnir>=" + "9" * 5000, "--baselines"],
    ["leaderboard", "--rows", OSC, "--baselines"],
    [*RUN, "--runs", "/proc/nothing"],
    [*RUN, "--runs", "/dev/null"],
    ["leaderboard", "export", "/proc/x.zip", "--runs", "runs"],
    *(
        [*RUN, f"--{name}", word]
        for name, words in {
            "epochs": ["0", "-1", "1.5", "", "1e3"],
            "k": ["0", "-5", "9" * 30],
            "batch-size": ["0", "-1", "9" * 30, "9223372036854775807"],
            "learning-rate": ["-1", "nan", "inf", "0x1"],
            "crop": ["-1", "1.5", "9" * 20],
            "ideal": ["9" * 30],
            "threads": ["0", "-1", "x"],
            "train-size": ["-1", "x"],
            "seed": ["0x1", "9" * 40],
            "noise-seed": ["-1", "x"],
            "slnir": ["-1", "101", "30%", "30,40", "", "-0.0001"],
            "precision": ["", "float7"],
            "distance": ["", OSC],
            "output-stride": ["0", "7", "-1"],
            "keep": ["", "everything"],
            "backbone": ["", "resnet18;id", "resnet18/../x", "timm/", "a" * 300],
            "dataset": ["", ".", "..", "/", "x/y"],
        }.items()
        for word in words
    ),
    *(
        ["sweep", "--method", "bce", "--dataset", "stripes", *words]
        for words in (
            ["--seeds", "-1"],
            ["--seeds", "5:1"],
            ["--seeds", "0:10:0"],
            ["--seeds", "0:1e9"],
            ["--slnir", "0:60:0"],
            ["--slnir", "60:0:10"],
            ["--slnir", "0:60:1e-9"],
            ["--slnir", ","],
            ["--workers", "-1"],
            ["--workers", "1e9"],
            ["--engine", "x"],
            ["--method", ","],
            ["--method", "bce,,bce"],
        )
    ),
    *(
        ["data", "prepare", "folder", "--data", ".", "--name", *words]
        for words in (
            ["n", "--split", "1/1"],
            ["n", "--split", "-1/1/1"],
            ["n", "--split", "nan/1/1"],
            ["n", "--split", "1/1/1/1"],
            ["n", "--split", "\u0661/1/1"],
            ["n", "--max-pixels", "0"],
            ["n", "--max-pixels", "-1"],
            ["n", "--bands", "0"],
            ["n", "--bands", "1,1"],
            ["n", "--bands", "1:9999999999"],
            ["n", "--value-range", "5", "1"],
            ["n", "--tile", "-8"],
            ["n", "--value-range", "nan", "1"],
            ["n", "--nodata", "x"],
            ["n", "--resize", "1" * 30],
            ["n", "--workers", "0"],
            ["n", "--min-cover", "nan"],
            ["n", "--min-cover", "-1"],
            *(["n", f"--{name}", "9" * 30] for name in ("resize", "tile", "max-pixels", "workers")),
            ["n", "--resize", "2147483648"],
            ["n", "--value-range", "-1e308", "1e308"],
            ["n", "--value-range", "1e-320", "2e-320"],
            ["n", "--split", ""],
            ["n", "--split", "7_0/10/20"],
            ["../n"],
            [""],
            ["."],
            ["a/b"],
            ["-"],
            [OSC],
            ["x" * 300],
        )
    ),
    *(
        ["leaderboard", "--baselines", *words]
        for words in (
            ["--filter", "="],
            ["--filter", "slnir=nan"],
            ["--filter", "slnir>x"],
            ["--metric", ""],
            ["--format", "x"],
            ["--filter", "slnir=1=2"],
            ["--metric", "x" * 9000],
            ["--filter", "method~(a+)+$"],
            ["--filter", "slnir>=1_0"],
            ["--filter", "slnir>=\u0663"],
            ["--filter", "slnir=\u0663\u0660"],
            *(
                [f"--{name}", word]
                for name in ("rows", "columns")
                for word in ("", ",", "method,,loss", "loss,loss")
            ),
        )
    ),
    *(
        ["audit", "apply", ".", "--out", "o", "--top", top]
        for top in ("-1", "0%", "nan", "101%", "1e9", "", "%", "5 %%")
    ),
    *(
        [*words, f"{name}{path}"]
        for words, name in (
            (RUN, "--runs="),
            (RUN, "--cache="),
            (["status"], "--runs="),
            (["leaderboard", "--baselines"], "--runs="),
            (["leaderboard", "--baselines"], "--figures="),
            (["leaderboard", "import", "b.zip"], "--runs="),
            (["leaderboard", "import", "b.zip"], "--origin="),
            (["leaderboard", "export", "b.zip"], "--runs="),
            (["leaderboard", "submit", "b.zip"], "--runs="),
            (["doctor"], "--runs="),
            (["doctor"], "--cache="),
            (["data", "list"], "--cache="),
            (["data", "where"], "--cache="),
            (["data", "prepare", "folder", "--data", ".", "--name", "n"], "--images="),
            (["audit", "--dataset", "stripes", "--dry-run"], "--out="),
        )
        for path in ("", "a\0b")
    ),
]


@pytest.mark.parametrize("words", WORDS, ids=lambda words: ascii(" ".join(words))[1:60])
def test_words_that_make_no_sense_are_refused(check, words):
    check(*words)


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|a)*$", "(.*a){25}$", "(?:a?){30}a{40}$", "(", "\\", "(?P<"]
)
def test_a_pattern_that_never_ends_is_refused(check, tmp_path, pattern):
    from PIL import Image

    for name in ("one", "two", "three", "four"):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{'a' * 60}{name}!.png")
    (tmp_path / "labels.csv").write_text(
        "file,x,y\n" + "".join(f"{'a' * 60}{name}!.png,1,0\n" for name in ("one", "two", "three", "four"))
    )
    words = [
        "data",
        "prepare",
        "folder",
        "--data",
        ".",
        "--name",
        "n",
        "--group-pattern",
        pattern,
        "--cache",
        "c",
    ]
    check(*words, codes=(0, 2))
