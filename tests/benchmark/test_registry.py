"""Registries: names, lazy loading, collisions, entry points, failures, threads."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from types import ModuleType

import pytest

from gridbench.errors import InputError
from gridbench.methods.base import Loss
from gridbench.methods.tasks.classification import Classification
from gridbench.registry import (
    DuplicateName,
    Registry,
    UnknownName,
    register_dataset,
    register_loss,
    register_method,
    register_noise,
    snapshot,
)

GROUP = "gridbench_test.things"
COMPONENT = '"""What {name} does.\n\nMore."""\n\n\nclass Thing:\n    def act(self): ...\n'


@pytest.fixture(autouse=True)
def _forgotten():
    """Forget what a test registers."""
    with snapshot():
        yield


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Return a folder on sys.path whose modules are forgotten at the end of the test."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def registry(folder) -> Registry:
    """Return a registry of things whose home package places one, `hammer`."""
    write(folder, "home/__init__.py", "")
    write(folder, "home/hammer.py", COMPONENT.format(name="hammer"))
    made = Registry("thing", "home", GROUP, required=("act",))
    made.place("hammer", "home.hammer", "Thing")
    return made


def write(folder: Path, name: str, text: str) -> Path:
    """Write a module and make sure that the import system sees it."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    importlib.invalidate_caches()
    return path


def distribution(folder: Path, name: str, entry_points: str) -> None:
    """Put the metadata of an installed package on the path."""
    write(folder, f"{name}-1.2.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    write(folder, f"{name}-1.2.dist-info/entry_points.txt", f"[{GROUP}]\n{entry_points}\n")


def thing(module: str, qualname: str = "Thing", **attributes: object) -> type:
    """Make a component that says it was defined in a module."""
    made = type("Thing", (), {"act": None, **attributes})
    made.__module__, made.__qualname__ = module, qualname
    return made


def test_listing_imports_no_component(registry):
    assert registry.names() == ["hammer"]
    assert registry.summary("hammer") == "What hammer does."
    assert registry.origin("hammer") == "gridbench"
    assert "hammer" in registry
    assert "home.hammer" not in sys.modules
    assert registry.get("hammer").__module__ == "home.hammer"
    assert registry.summary("hammer") == "What hammer does."
    assert registry.get("hammer") is registry.get("hammer")


def test_a_miss_names_the_nearest_and_lists_all(registry):
    registry.place("saw", "home.saw", "Thing")
    with pytest.raises(UnknownName) as caught:
        registry.get("hamer")
    assert str(caught.value) == "There is no thing 'hamer'. Did you mean 'hammer'? There are: hammer, saw."
    assert caught.value.exit_code == 2
    for ask in (registry.origin, registry.summary):
        with pytest.raises(UnknownName, match="hammer"):
            ask("hamer")


def test_a_miss_in_an_empty_registry(folder):
    write(folder, "bare/__init__.py", "")
    with pytest.raises(UnknownName, match=r"There is no thing 'saw'\. There are: none\.$"):
        Registry("thing", "bare", GROUP).get("saw")


def test_two_components_of_one_name_are_an_error_that_names_both_origins(registry):
    with pytest.raises(
        DuplicateName, match=r"'hammer' is taken twice: by gridbench and by /plugins/mine\.py"
    ):
        registry.register(thing("mine"), "hammer", "/plugins/mine.py")
    registry.register(thing("mine"), "saw", "/plugins/mine.py")
    with pytest.raises(
        DuplicateName, match=r"'saw' is taken twice: by /plugins/mine\.py and by /plugins/other\.py"
    ):
        registry.register(thing("other"), "saw", "/plugins/other.py")
    with pytest.raises(DuplicateName, match=r"by /plugins/mine\.py and by tools 1\.0"):
        registry.place("saw", "tools", "Saw", "tools 1.0")
    with pytest.raises(DuplicateName, match=r"by gridbench and by tools 1\.0"):
        registry.place("hammer", "tools", "Hammer", "tools 1.0")
    assert registry.get("saw").__module__ == "mine"
    assert registry.get("hammer").__module__ == "home.hammer"


def test_two_components_of_one_file_need_names_of_their_own(registry):
    registry.register(thing("mine"), "saw", "/plugins/mine.py")
    with pytest.raises(DuplicateName, match="a decorator takes that of the file: write another"):
        registry.register(thing("other"), "saw", "/plugins/mine.py")


def test_a_class_that_is_registered_under_its_files_name_is_found_by_its_own(registry):
    registry.register(thing("mine", "BandSaw"), "mine", "/plugins/mine.py")
    with pytest.raises(
        UnknownName, match=r"BandSaw of /plugins/mine\.py is registered as 'mine'.*\(\"band_saw\"\)"
    ):
        registry.get("band_saw")


def test_two_components_of_one_name_in_one_file_collide_and_a_second_import_does_not(registry):
    registry.register(thing("mine", "First"), "saw", "/plugins/mine.py")
    with pytest.raises(DuplicateName, match="'saw'"):
        registry.register(thing("mine", "Second"), "saw", "/plugins/mine.py")
    edited = registry.register(thing("mine", "First"), "saw", "/plugins/mine.py")
    assert registry.get("saw") is edited


def test_placing_the_same_component_again_is_no_collision(registry):
    registry.place("hammer", "home.hammer", "Thing", "somebody else")
    assert registry.origin("hammer") == "gridbench"


def test_a_component_must_have_what_its_kind_needs(registry, folder):
    write(folder, "home/saw.py", "class Saw: ...\n")
    registry.place("saw", "home.saw", "Saw", "tools 1.0")
    with pytest.raises(InputError, match=r"The thing 'saw' from tools 1\.0 lacks act\."):
        registry.get("saw")
    with pytest.raises(InputError, match=r"'axe' from /plugins/axe\.py lacks act"):
        registry.register(type("Axe", (), {}), "axe", "/plugins/axe.py")


def test_a_component_learns_its_name_and_an_inherited_name_does_not_count(registry, folder):
    base = registry.get("hammer")
    assert base.name == "hammer"
    write(folder, "more.py", "from home.hammer import Thing\n\n\nclass Mallet(Thing): ...\n")
    registry.place("mallet", "more", "Mallet", "more 1.0")
    assert registry.get("mallet").name == "mallet"
    assert base.name == "hammer"
    with pytest.raises(InputError, match=r"'axe' from more 1\.0 calls itself 'saw'"):
        registry.register(thing("more", name="saw"), "axe", "more 1.0")


def test_instances_and_modules_can_be_components(registry, folder):
    write(folder, "instances.py", COMPONENT.format(name="all") + "\n\nSAW = Thing()\n")
    write(folder, "axe.py", "'''An axe.'''\n\n\ndef act(): ...\n")
    registry.place("saw", "instances", "SAW", "tools 1.0")
    registry.place("axe", "axe", "", "tools 1.0")
    assert type(registry.get("saw")).__name__ == "Thing"
    assert isinstance(registry.get("axe"), ModuleType)
    assert registry.summary("axe") == "An axe."


def test_a_registry_of_objects_makes_one_of_a_class(folder):
    write(folder, "home/__init__.py", "")
    write(folder, "objects.py", COMPONENT.format(name="all") + "\n\nSAW = Thing()\n")
    objects = Registry("thing", "home", GROUP, ("act",), instances=True)
    objects.place("saw", "objects", "SAW", "tools 1.0")
    objects.place("axe", "objects", "Thing", "tools 1.0")
    saw, axe = objects.get("saw"), objects.get("axe")
    assert type(saw) is type(axe)
    assert saw is not axe
    assert axe is objects.get("axe")
    made = objects.register(thing("mine"), "hammer", "/plugins/mine.py")
    assert made is objects.get("hammer")
    assert made.name == "hammer"
    assert not isinstance(made, type)


def test_a_failing_import_names_origin_file_and_line(registry, folder):
    file = write(folder, "broken.py", "import sys\n\n\nlimit = 1 / 0\n")
    registry.place("saw", "broken", "Saw", "tools 1.0")
    with pytest.raises(InputError) as caught:
        registry.get("saw")
    expected = "The thing 'saw' of tools 1.0 cannot be imported: ZeroDivisionError: division by zero"
    assert str(caught.value) == f"{expected} ({file}, line 4)"
    file.write_text("class Saw:\n    def act(self): ...\n\n\n# mended\n", encoding="utf-8")
    importlib.invalidate_caches()
    assert registry.get("saw").__name__ == "Saw"


@pytest.mark.parametrize(
    ("source", "attribute", "message"),
    [
        ("def f(:\n", "Saw", r"SyntaxError: .*\(.*odd\.py, line 1\)$"),
        ("x = 1\n", "Saw", r"AttributeError: module 'odd' has no attribute 'Saw'$"),
        ("import no_such_library\n", "Saw", r"ModuleNotFoundError: .*'no_such_library'.*odd\.py, line 1\)$"),
        (None, "Saw", r"ModuleNotFoundError: No module named 'odd'$"),
    ],
)
def test_every_way_an_import_fails_is_one_message(registry, folder, source, attribute, message):
    if source is not None:
        write(folder, "odd.py", source)
    registry.place("saw", "odd", attribute, "tools 1.0")
    with pytest.raises(InputError, match=message):
        registry.get("saw")
    assert registry.names() == ["hammer", "saw"]
    assert registry.summary("saw") == ""


def test_a_package_that_cannot_be_imported_does_not_break_the_list(registry, folder):
    file = write(folder, "bad/__init__.py", "\nraise RuntimeError('no licence')\n")
    write(folder, "bad/saw.py", COMPONENT.format(name="saw"))
    registry.place("saw", "bad.saw", "Thing", "bad 1.0")
    assert [registry.summary(name) for name in registry] == ["What hammer does.", "What saw does."]
    with pytest.raises(InputError, match=re.escape(f"RuntimeError: no licence ({file}, line 2)")):
        registry.get("saw")


def test_the_summary_of_a_module_without_docstring_is_that_of_the_component(registry, folder):
    write(folder, "two.py", "class Saw:\n    '''Cuts.'''\n\n\nclass Axe:\n    '''Splits.'''\n")
    registry.place("saw", "two", "Saw")
    registry.place("axe", "two", "Axe")
    assert (registry.summary("saw"), registry.summary("axe")) == ("Cuts.", "Splits.")


def test_entry_points_are_found_without_importing_them(registry, folder):
    distribution(folder, "tools", "saw = tools.saw:Thing")
    write(folder, "tools/__init__.py", "")
    write(folder, "tools/saw.py", COMPONENT.format(name="saw"))
    assert registry.names() == ["hammer", "saw"]
    assert (registry.origin("saw"), registry.summary("saw")) == ("tools 1.2", "What saw does.")
    assert "tools" not in sys.modules
    assert registry.get("saw").__module__ == "tools.saw"


def test_an_entry_point_may_name_what_its_package_re_exports(registry, folder):
    distribution(folder, "tools", "saw = tools:Thing\naxe = tools:Axe")
    write(folder, "parts.py", "class Axe:\n    def act(self): ...\n")
    write(folder, "tools/__init__.py", "from parts import Axe\nfrom tools.saw import Thing\n")
    write(folder, "tools/saw.py", COMPONENT.format(name="saw"))
    assert registry.get("saw").__module__ == "tools.saw"
    assert registry.get("axe").__module__ == "parts"
    registry.register(registry.get("saw"), "saw", "tools 1.2")


def test_an_entry_point_with_a_taken_name_is_reported_each_time(registry, folder):
    distribution(folder, "tools", "hammer = tools:Thing")
    for _ in range(2):
        with pytest.raises(DuplicateName, match=r"'hammer' is taken twice: by gridbench and by tools 1\.2"):
            registry.names()


def test_a_method_of_an_installed_package_is_listed_and_collides_like_a_built_in(tmp_path):
    write(tmp_path, "outside-3.1.dist-info/METADATA", "Metadata-Version: 2.1\nName: outside\nVersion: 3.1\n")
    points = "[gridbench.methods]\nmine = outside:Mine\n[gridbench.losses]\nbce = outside:Mine\n"
    write(tmp_path, "outside-3.1.dist-info/entry_points.txt", points)
    write(tmp_path, "outside.py", '"""A method from outside."""\n')
    code = f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        from gridbench.registry import LOSSES, METHODS
        assert "mine" in METHODS and "bce" in METHODS
        print(METHODS.origin("mine"), "|", METHODS.summary("mine"), "|", "outside" in sys.modules)
        try:
            LOSSES.names()
        except ValueError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-P", "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    first, second = done.stdout.splitlines()
    assert first == "outside 3.1 | A method from outside. | False"
    assert (
        second
        == "The name of the loss 'bce' is taken twice: by gridbench and by outside 3.1. Rename one of them."
    )


def test_a_plugin_file_registers_under_its_own_name(folder):
    source = """
        from gridbench.registry import register_method

        @register_method({name})
        class Mine:
            step = describe = None
    """
    file = write(folder, "a_plugin_of_the_tests.py", source.format(name=""))
    made = importlib.import_module("a_plugin_of_the_tests").Mine
    from gridbench.registry import METHODS

    assert METHODS.get("a_plugin_of_the_tests") is made
    assert METHODS.origin("a_plugin_of_the_tests") == str(file)
    assert made.name == "a_plugin_of_the_tests"
    write(folder, "another_plugin_of_the_tests.py", source.format(name="'bce'"))
    with pytest.raises(DuplicateName, match=r"by gridbench and by .*another_plugin_of_the_tests\.py"):
        importlib.import_module("another_plugin_of_the_tests")


def test_the_decorator_refuses_what_is_no_method():
    with pytest.raises(InputError, match=r"The method 'mine' from .* lacks step, describe"):
        register_method("mine")(type("Mine", (), {}))


def test_a_class_of_another_base_or_with_a_gap_is_told_what_it_lacks():
    with pytest.raises(
        InputError, match=r"lacks entries, task\. Derive its class from gridbench\.methods\.base\.Loss"
    ):
        register_loss("mine")(type("Mine", (), {}))
    with pytest.raises(InputError, match=r"The loss 'mine' from .* lacks entries\."):
        register_loss("mine")(type("Mine", (Loss,), {"entrys": None, "task": Classification}))


@pytest.mark.parametrize("decorator", [register_method, register_loss, register_noise, register_dataset])
def test_a_decorator_without_parentheses_says_so(decorator):
    """It would enter nothing and put a function in the place of the class."""
    with pytest.raises(InputError, match="Mine lacks parentheses; write \\(\\) behind it"):
        decorator(type("Mine", (), {}))


def test_threads_that_ask_at_once_get_one_component(registry, folder):
    write(folder, "home/slow.py", "import time\ntime.sleep(0.05)\n" + COMPONENT.format(name="slow"))
    registry.place("slow", "home.slow", "Thing")
    found: list[type] = []
    together(*[lambda: found.append(registry.get("slow"))] * 8)
    assert len(found) == 8
    assert len(set(found)) == 1


def test_a_thread_that_imports_and_one_that_asks_do_not_lock_each_other_out(registry, folder, monkeypatch):
    # The module registers itself while Python holds its import lock, and by then the other thread waits for
    # that lock: it must not hold the registry's own meanwhile.
    source = """
        import time, hook
        hook.started.set()
        time.sleep(0.2)
        class Thing:
            act = None
        hook.enter(Thing)
    """
    write(folder, "home/slow.py", source)
    hook = ModuleType("hook")
    hook.started = threading.Event()
    hook.enter = lambda made: registry.register(made, "slow", "gridbench")
    monkeypatch.setitem(sys.modules, "hook", hook)
    registry.place("slow", "home.slow", "Thing")
    together(
        lambda: importlib.import_module("home.slow"),
        lambda: hook.started.wait(5) and registry.get("slow"),
    )
    assert registry.get("slow") is sys.modules["home.slow"].Thing


def together(*jobs) -> None:
    """Run jobs in threads that start at once, and fail when one does not end."""
    barrier = threading.Barrier(len(jobs))
    failures: list[BaseException] = []

    def work(job) -> None:
        try:
            barrier.wait(5)
            job()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(job,), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    assert failures == []


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "..",
        "../x",
        "a/b",
        "a\\b",
        "-p",
        "a b",
        "a,b",
        "a=b",
        "x\n",
        "\x1b[2J",
        "é",
        "x" * 61,
        7,
        None,
    ],
    ids=ascii,
)
def test_a_name_that_cannot_stand_in_a_folder_or_a_list_is_refused(registry, name):
    with pytest.raises(InputError, match=r"cannot be used: take letters, digits, dot, dash and underscore"):
        registry.register(thing("m", name="x"), name, "me")
    with pytest.raises(InputError, match=r"cannot be used: take letters, digits, dot, dash and underscore"):
        registry.place(name, "m", "Thing")
    assert registry.names() == ["hammer"]


@pytest.mark.parametrize(
    "raised", ["SystemExit(0)", "GeneratorExit", "KeyboardInterrupt", "type('E', (BaseException,), {})()"]
)
def test_a_package_that_ends_the_process_while_it_is_imported_is_named(registry, folder, raised):
    write(folder, "ends.py", f"raise {raised}\n")
    registry.place("ends", "ends", "Thing", "ends 1.0")
    with pytest.raises(InputError, match=r"'ends' of ends 1\.0 cannot be imported: .*ends\.py, line 1"):
        registry.get("ends")


@pytest.mark.parametrize("version", ["1", 0, -1, 1.0, None, True])
def test_a_version_that_is_no_whole_number_is_refused(version):
    """It is a part of a run's identity."""
    thing = type("Thing", (), {"corrupt": None, "levels": (), "version": version, "__module__": "things"})
    with pytest.raises(InputError, match=r"has the version .*; it must be a whole number from 1"):
        register_noise("saw")(thing)


def test_a_noise_model_has_to_say_what_it_corrupts():
    with pytest.raises(InputError, match=r"The noise model 'saw' from .* lacks levels"):
        register_noise("saw")(type("Saw", (), {"corrupt": None, "__module__": "things"}))
