"""What holds for the source as a whole: who imports whom, and what no file may do."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = PYPROJECT["tool"]["setuptools"]
PACKAGES = {package: ROOT / folder for package, folder in SETUPTOOLS["package-dir"].items()}
LONGEST_FILE = 350
MOST_ENTRIES = 18

# Leaves import nothing of the rest; every package but metrics may use those in COMMON, and all those in SHARED.
COMMON = {"gridbench.errors", "gridbench.parameters", "gridbench.registry"}
# What every package reads and writes files with, and texts that it takes from others.
FILES_AND_TEXT = {
    "gridbench.core.csv_files",
    "gridbench.core.files",
    "gridbench.core.json_files",
    "gridbench.core.terminal",
    "gridbench.core.zip_files",
}
SHARED = {"gridbench.core.labels", "gridbench.core.percent"}
LEAVES = {
    *COMMON,
    *SHARED,
    "gridbench.core.cores",
    "gridbench.core.identity",
    "gridbench.core.source",
    "gridbench.registry.registry",
}
MAY_IMPORT: dict[str, set[str]] = {
    "gridbench.noise": {"gridbench.noise", *FILES_AND_TEXT, *COMMON, *SHARED},
    "gridbench.metrics": {"gridbench.metrics", "gridbench.errors", *SHARED},
    "gridbench.datasets": {"gridbench.datasets", "gridbench.core.cores", *FILES_AND_TEXT, *COMMON, *SHARED},
    "gridbench.methods": {"gridbench.methods", *COMMON, *SHARED},
    "gridbench.leaderboard": {
        "gridbench.leaderboard",
        "gridbench.metrics",
        "gridbench.core.machine",
        "gridbench.errors",
        "gridbench.records.record",
        "gridbench.records.recompute",
        *FILES_AND_TEXT,
    },
    "gridbench.cli": {"gridbench"},
    "gridbench": {"gridbench"},
}
LIGHT = {
    *MAY_IMPORT,
    *LEAVES,
    "gridbench.records.record",
    "gridbench.core.machine",
    "gridbench.core.streams",
    "gridbench.methods.losses",
}
CHOOSES_DEVICES = {"gridbench.core.environment"}
RESEEDS_AND_RESTORES = {"gridbench.core.streams"}


def module_of(path: Path) -> str:
    """Name the module that a file is imported as."""
    package, folder = max(
        ((p, f) for p, f in PACKAGES.items() if path.is_relative_to(f)), key=lambda row: len(row[0])
    )
    parts = [package, *path.relative_to(folder).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_of(path): path for folder in PACKAGES.values() for path in sorted(folder.rglob("*.py"))}
TREES = {module: ast.parse(path.read_text(encoding="utf-8"), str(path)) for module, path in FILES.items()}


# Reading source


def within(module: str, package: str) -> bool:
    """Tell whether a module is the package or in it."""
    return module == package or module.startswith(package + ".")


@cache
def nodes(tree: ast.AST) -> tuple[ast.AST, ...]:
    """Return every node of a tree; each rule reads the same trees."""
    return tuple(ast.walk(tree))


@cache
def imports(tree: ast.AST, *, types: bool = True) -> tuple[tuple[str, ast.stmt], ...]:
    """Return each module that is imported anywhere in a tree, and the statement.

    Args:
        tree: Source of a module.
        types: Whether to count what is imported for annotations alone.
    """
    skipped: set[ast.AST] = set()
    for node in () if types else nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            skipped.update(part for statement in node.body for part in ast.walk(statement))
    found: list[tuple[str, ast.stmt]] = []
    for node in nodes(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found += ((name.name, node) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = "." * node.level + str(node.module or "")
            for name in node.names:
                below = f"{package}.{name.name}"
                found.append((below if below in TREES else package, node))
    return tuple(found)


@cache
def calls(tree: ast.AST) -> tuple[tuple[str, ast.Call], ...]:
    """Return each call with the full name of what is called: `np.load` of numpy is `numpy.load`."""
    names: dict[str, str] = {}
    for node in nodes(tree):
        if isinstance(node, ast.Import):
            names.update((name.asname, name.name) for name in node.names if name.asname)
        elif isinstance(node, ast.ImportFrom):
            names.update((name.asname or name.name, f"{node.module}.{name.name}") for name in node.names)
    found = []
    for node in nodes(tree):
        if isinstance(node, ast.Call):
            head, dot, tail = ast.unparse(node.func).partition(".")
            found.append((names.get(head, head) + dot + tail, node))
    return tuple(found)


def keyword(call: ast.Call, name: str) -> str:
    """Return the source of a keyword's value, or an empty string."""
    return next((ast.unparse(given.value) for given in call.keywords if given.arg == name), "")


def texts(tree: ast.AST) -> Iterator[ast.Constant]:
    """Yield the text constants that are not docstrings."""
    documentation = {id(node.value) for node in nodes(tree) if isinstance(node, ast.Expr)}
    for node in nodes(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node


def where(node: ast.AST) -> str:
    """Quote a piece of source with its line."""
    return f"line {getattr(node, 'lineno', '?')}: {ast.unparse(node)}"


# What no file may do: each function returns what it found


def comparisons_with_components(tree: ast.AST) -> list[str]:
    """Find decisions made by the name of a method, loss, noise model or data set."""
    from gridbench.registry import DATASETS, LOSSES, METHODS, NOISE

    # "none" and "random" are names too, but ordinary words first.
    components = {*METHODS, *LOSSES, *NOISE, *DATASETS} - {"none", "random"}
    variable = re.compile(r"(^|[._])(method|loss|noise|dataset)(\.name|_name)?$")
    found = []
    for node in nodes(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
        elif isinstance(node, ast.Match):
            patterns = [case.pattern for case in node.cases]
            sides = [
                node.subject,
                *(pattern.value for pattern in patterns if isinstance(pattern, ast.MatchValue)),
            ]
        else:
            continue
        words = {text.value for side in sides for text in texts(side) if text.value}
        named = any(variable.search(ast.unparse(side)) for side in sides)
        if components & words or (named and words):
            found.append(where(sides[0]))
    return found


def named_accelerators(tree: ast.AST) -> list[str]:
    """Find devices that are assumed; the host alone is always there and may be named."""
    accelerator = re.compile(r"(cuda|mps|xpu|hip)(:\d+)?")
    found = [where(text) for text in texts(tree) if accelerator.fullmatch(text.value)]
    for name, call in calls(tree):
        if name.endswith(".cuda") or (name.endswith(".to") and "'cpu'" in map(ast.unparse, call.args)):
            found.append(where(call))
    return found


def pickling(tree: ast.AST) -> list[str]:
    """Find what writes or reads pickles, or could."""
    picklers = {"pickle", "cPickle", "dill", "joblib", "cloudpickle", "shelve", "marshal"}
    found = [where(node) for name, node in imports(tree) if name.split(".")[0] in picklers]
    for name, call in calls(tree):
        library = name.removeprefix("np.").removeprefix("numpy.")
        if (
            (library in {"load", "save"} and library != name and keyword(call, "allow_pickle") != "False")
            or (name == "torch.load" and keyword(call, "weights_only") != "True")
            or name == "torch.save"
            or name.endswith((".read_pickle", ".to_pickle"))
        ):
            found.append(where(call))
    return found


def global_draws(tree: ast.AST) -> list[str]:
    """Find draws from, and seeds of, a generator that nobody passed."""
    constructors = {"default_rng", "Generator", "PCG64", "Philox", "SeedSequence", "BitGenerator"}
    reading = {"numpy.random.get_state", "random.getstate"}
    drawing = {"rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial", "poisson"}
    in_place = {"normal_", "uniform_", "bernoulli_", "random_", "exponential_", "cauchy_", "log_normal_"}
    seeding = {"torch.manual_seed", "torch.seed", "torch.cuda.manual_seed", "torch.cuda.manual_seed_all"}
    found = []
    for name, call in calls(tree):
        head, _, last = name.rpartition(".")
        passed = keyword(call, "generator") not in {"", "None"}
        if name in reading:
            continue
        if (
            (head == "numpy.random" and last not in constructors)
            or (name == "numpy.random.default_rng" and not call.args)
            or (head == "random" and last != "Random")
            or name in seeding
            or (head == "torch" and last in drawing and not passed)
            or (head == "torch" and last in {"rand_like", "randn_like", "randint_like"})
            or (last in in_place and not passed)
        ):
            found.append(where(call))
    return found


def undocumented(tree: ast.AST) -> list[str]:
    """Find public modules, classes and functions without a docstring."""
    assert isinstance(tree, ast.Module)
    found = [] if ast.get_docstring(tree) else ["the module"]
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    for node in (node for body in [tree, *classes] for node in body.body):
        if not isinstance(node, (ast.ClassDef, ast.FunctionDef)) or node.name.startswith("_"):
            continue
        if not ast.get_docstring(node) and "overload" not in map(ast.unparse, node.decorator_list):
            found.append(f"line {node.lineno}: {node.name}")
    return found


def only_posix(tree: ast.AST) -> list[str]:
    """Find modules imported at once, and functions used without a look whether they are there, that Windows lacks."""
    assert isinstance(tree, ast.Module)
    modules = {"fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"}
    functions = {"fork", "forkpty", "getpgid", "getuid", "geteuid", "killpg", "mkfifo", "setsid", "uname"}
    names = {f"os.{name}" for name in (*functions, "O_NONBLOCK", "O_NOFOLLOW", "sched_getaffinity")}
    names |= {"os.sched_setaffinity", "signal.SIGALRM", "signal.SIGHUP", "signal.SIGKILL", "signal.setitimer"}
    last = {name.split(".")[1] for name in names}
    looks = re.compile(r"hasattr|os\.name|sys\.platform")
    statements = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    found = [where(node) for node in statements for name, _ in imports(node) if name in modules]
    for node in tree.body:
        used = [
            part
            for part in ast.walk(node)
            if isinstance(part, ast.Attribute) and part.attr in last and ast.unparse(part) in names
        ]
        if used and not looks.search(ast.unparse(node)):
            found += map(where, used)
    return found


RULES: dict[Callable[[ast.AST], list[str]], set[str]] = {
    comparisons_with_components: set(),
    named_accelerators: CHOOSES_DEVICES,
    pickling: set(),
    global_draws: RESEEDS_AND_RESTORES,
    undocumented: set(),
    only_posix: set(),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_no_file_has(rule):
    found = {module: rule(tree) for module, tree in TREES.items() if module not in RULES[rule]}
    assert {module: lines for module, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (comparisons_with_components, "if kind == 'grid': pass"),
        (comparisons_with_components, "x = kind in ('oracle', 'last')"),
        (comparisons_with_components, "if config.method != 'mine': pass"),
        (comparisons_with_components, "match loss_name:\n case 'mine': pass"),
        (named_accelerators, "x.to('cuda:1')"),
        (named_accelerators, "x.cuda()"),
        (named_accelerators, "x.to('cpu')"),
        (pickling, "from pickle import dumps"),
        (pickling, "import numpy as np\nnp.load('x.npy')"),
        (pickling, "import numpy as np\nnp.save('x.npy', x)"),
        (pickling, "from numpy import load\nload('x.npy', allow_pickle=True)"),
        (pickling, "import torch\ntorch.load('x', weights_only=False)"),
        (pickling, "frame.to_pickle('x')"),
        (global_draws, "import numpy as np\nnp.random.seed(0)"),
        (global_draws, "from numpy.random import default_rng\ndefault_rng()"),
        (global_draws, "import random\nrandom.shuffle(x)"),
        (global_draws, "import torch\ntorch.randn(3)"),
        (global_draws, "import torch\ntorch.randn_like(x)"),
        (global_draws, "x.normal_()"),
        (global_draws, "import torch\ntorch.manual_seed(0)"),
        (undocumented, "'''A module.'''\ndef f(): pass"),
        (undocumented, "'''A module.'''\nclass A:\n '''A class.'''\n def f(self): pass"),
        (undocumented, "x = 1"),
        (only_posix, "import fcntl"),
        (only_posix, "def f():\n os.killpg(1, 2)"),
        (only_posix, "class A:\n def f(self):\n  signal.signal(signal.SIGHUP, g)"),
    ],
)
def test_the_rules_find_what_they_are_for(rule, source):
    assert len(rule(ast.parse(source))) == 1


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (comparisons_with_components, "if step == 'last' or config.method in seen: pass"),
        (named_accelerators, "'''cuda'''\nx.to(device); torch.device('cpu')"),
        (pickling, "import numpy as np\nnp.load('x.npy', allow_pickle=False); json.load(f)"),
        (
            global_draws,
            "import torch, random\ntorch.randn(3, generator=g); rng.normal(); rng.random(); random.getstate()",
        ),
        (only_posix, "def f():\n import resource\n if hasattr(os, 'getuid'): os.getuid()"),
        (undocumented, "'''A module.'''\ndef _f(): pass\nclass _A:\n def f(self): pass"),
    ],
)
def test_the_rules_find_nothing_else(rule, source):
    assert rule(ast.parse(source)) == []


# Who imports whom


def test_imports_go_down():
    wrong = []
    for module, tree in TREES.items():
        package = max((name for name in MAY_IMPORT if within(module, name)), key=len)
        for target, node in imports(tree):
            ours = within(target, "gridbench") or target.startswith(".")
            if ours and not any(within(target, name) for name in MAY_IMPORT[package]):
                wrong.append(f"{module}, {where(node)}")
    assert wrong == []


def test_leaves_import_only_leaves_and_the_standard_library():
    allowed = {*LEAVES, *sys.stdlib_module_names}
    found = {(leaf, target) for leaf in LEAVES for target, _ in imports(TREES[leaf])}
    assert {(leaf, target) for leaf, target in found if not {target, target.split(".")[0]} & allowed} == set()


def test_only_the_command_line_imports_the_command_line():
    users = {
        module
        for module, tree in TREES.items()
        for target, _ in imports(tree)
        if within(target, "gridbench.cli") and not within(module, "gridbench.cli")
    }
    assert users <= {"gridbench.__main__"}


def test_no_circle_of_files():
    # What is imported for annotations alone counts: who reads one file of a circle has to read them all.
    below = {
        module: {target for target, _ in imports(tree) if target in TREES} - {module}
        for module, tree in TREES.items()
    }
    finished: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join([*trail[trail.index(module) :], module])
        if module not in finished:
            for target in sorted(below[module]):
                visit(target, (*trail, module))
            finished.add(module)

    for module in sorted(below):
        visit(module, ())


def test_light_modules_leave_torch_alone():
    code = (
        "import importlib, sys\n"
        f"for name in {sorted(LIGHT)}:\n"
        "    importlib.import_module(name)\n"
        "    assert 'torch' not in sys.modules, name\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# The project as a whole


def test_one_version_and_the_oldest_libraries_that_are_allowed():
    import gridbench

    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.*)$", citation, re.MULTILINE)[1] == gridbench.__version__
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {gridbench.__version__}" in changes
    assert "## Unreleased" in changes
    extras = PYPROJECT["project"]["optional-dependencies"]
    allowed = [
        *PYPROJECT["project"]["dependencies"],
        *(line for name in ("fast", "ray", "tensorboard") for line in extras[name]),
    ]
    lowest = (ROOT / "tests" / "constraints-lowest.txt").read_text(encoding="utf-8").splitlines()
    pinned = [line for line in lowest if not line.startswith("#")]
    assert [line.replace(">=", "==") for line in sorted(allowed)] == pinned


def test_files_stay_readable():
    lengths = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in FILES.items()}
    assert {module: length for module, length in lengths.items() if length > LONGEST_FILE} == {}


def test_tests_use_public_names():
    private = re.compile(r"_[a-zA-Z]\w*")
    outside = {"self", "cls", "os", "sys", "torch"}
    found = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
            names: list[str] = []
            if isinstance(node, ast.ImportFrom) and within(node.module or "", "gridbench"):
                names = [name.name for name in node.names]
            elif isinstance(node, ast.Attribute) and private.fullmatch(node.attr):
                names = [node.attr] if ast.unparse(node.value).split(".")[0] not in outside else []
            elif isinstance(node, ast.Constant) and re.fullmatch(r"gridbench(\.\w+)+", str(node.value)):
                names = [str(node.value).rpartition(".")[2]]
            found += [f"{path.name}, {where(node)}" for name in names if private.fullmatch(name)]
    assert found == []


def test_folders_hold_few_entries():
    # methods/ and noise/ hold a file for each registered component, and tests/methods the tests of them.
    folders = {path.parent for path in FILES.values()} - {ROOT / "methods", ROOT / "noise"}
    folders |= {folder for name in ("docs", "tests") for folder in _folders(ROOT / name)} - {
        ROOT / "tests" / "methods"
    }
    entries = {
        folder: len([path for path in folder.iterdir() if path.name != "__pycache__"]) for folder in folders
    }
    assert {folder: count for folder, count in entries.items() if count > MOST_ENTRIES} == {}


def _folders(top: Path) -> list[Path]:
    return [top, *(path for path in top.rglob("*") if path.is_dir() and path.name[0] not in "._")]


def test_every_library_that_is_imported_is_declared():
    extras = PYPROJECT["project"]["optional-dependencies"]
    ours = ("fast", "ray", "tensorboard", "wandb", "mlflow")
    for_users = [*PYPROJECT["project"]["dependencies"], *(line for name in ours for line in extras[name])]
    declared = {re.split(r"[^\w-]", line)[0].replace("_", "-").lower() for line in for_users}
    distributions = dict(importlib.metadata.packages_distributions())
    distributions.setdefault("mlflow", ["mlflow-skinny"])  # not installed with what the other tests need
    undeclared = {
        (module, library)
        for module, tree in TREES.items()
        for library in {target.split(".")[0] for target, _ in imports(tree)}
        if library not in {*sys.stdlib_module_names, "gridbench"}
        and not declared & {name.replace("_", "-").lower() for name in distributions.get(library, [library])}
    }
    assert undeclared == set()


def test_every_folder_with_code_is_a_listed_package():
    folders = {path.parent for path in FILES.values()}
    assert {module_of(folder / "__init__.py") for folder in folders} == set(SETUPTOOLS["packages"])
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_every_other_file_of_a_package_is_listed_as_package_data():
    listed: set[Path] = set()
    for package, patterns in SETUPTOOLS["package-data"].items():
        top = max((name for name in PACKAGES if within(package, name)), key=len)
        folder = PACKAGES[top] / Path(*package.removeprefix(top).strip(".").split("."))
        listed.update(file for pattern in patterns for file in folder.glob(pattern))
    here = {
        path
        for folder in PACKAGES.values()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts
    }
    assert here == {path for path in listed if path.is_file()}


def test_our_folders_shadow_nothing():
    assert str(ROOT) not in sys.path
    for folder in PACKAGES.values():
        spec = importlib.util.find_spec(folder.name)
        assert spec is None or not Path(str(spec.origin)).is_relative_to(ROOT / folder.name)


def test_public_names_can_be_had():
    import gridbench

    assert [name for name in gridbench.__all__ if getattr(gridbench, name, None) is None] == []
    with pytest.raises(AttributeError, match="rnu"):
        _ = gridbench.rnu
