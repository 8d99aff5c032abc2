"""`gridbench list NAME`: the documentation of one component, as its class has it."""

import pytest

PLUGIN = '''
"""Leave the hardest images out."""
from gridbench.methods.plain import Plain
from gridbench.registry import register_method


@register_method()
class Trimmed(Plain):
    {documentation}
    losses = ("bce",)
'''


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        ("methods dividemix", ["(Li, Socher and Hoi, ICLR 2020).", "Ours: both networks train in one step"]),
        ("losses asl", ["an absent class below the margin costs nothing", "gamma_negative"]),
        ("noise instance", ["Only ranks count,", "corrupts scene labels"]),
    ],
)
def test_what_had_to_be_decided_is_printed(cli, words, texts):
    code, out, _ = cli("list", *words.split())
    assert code == 0
    assert [text in " ".join(out.split()) for text in texts] == [True] * len(texts)


@pytest.mark.parametrize(
    ("name", "documentation", "shown"),
    [
        (
            "documented",
            '"""Summary.\n\n    Why it\n    works.\n\n    >>> 1 + 1\n    2\n    """',
            ["Summary.", "Why it works."],
        ),
        ("bare", "", []),
    ],
)
def test_of_a_plug_in_only_its_own_documentation_is_printed(warm, tmp_path, name, documentation, shown):
    (tmp_path / f"{name}.py").write_text(PLUGIN.format(documentation=documentation), encoding="utf-8")
    # In a process of its own, since what is registered stays.
    done = warm("list", "methods", name, "--plugin", f"{name}.py", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    head, _, _ = done.stdout.partition("supports bce")
    assert [line for line in head.splitlines()[1:] if line] == shown
