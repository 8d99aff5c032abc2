"""What a selection tries: the same number for every method, the default among them, always the same draw."""

from collections import Counter

import pytest

from gridbench.errors import InputError
from gridbench.parameters import describe
from gridbench.registry import LOSSES, METHODS
from gridbench.sweeps.search_space import EVERY, TRIALS, Search, selected_names, tries_of


def settings(*methods, **others):
    return [{"method": method, "parameters": {}, **others} for method in methods]


def counted(tries):
    return Counter(values["method"] for values in tries)


def declared():
    for registry in (METHODS, LOSSES):
        for name in registry:
            for row in describe(registry.get(name).Parameters):
                if row[3].search:
                    yield pytest.param(*row, id=f"{name}-{row[0]}")


@pytest.mark.parametrize(("name", "kind", "default", "spec"), list(declared()))
def test_every_declared_search_has_as_many_values_and_the_default_among_them(name, kind, default, spec):
    assert len(spec.search) == len(set(spec.search)) == TRIALS
    assert default is None or default in spec.search
    assert all(isinstance(value, kind) for value in spec.search)


def test_every_method_gets_the_same_number_of_tries():
    tries = list(tries_of(settings("grid", "elr", "jocor", "bce"), Search(("lambda",))))
    assert counted(tries) == {"grid": 10, "elr": 10, "jocor": 10, "bce": 1}
    assert [t["parameters"]["lambda"] for t in tries if t["method"] == "grid"] == list(range(0, 100, 10))


@pytest.mark.parametrize("trials", [2, 7, 25])
def test_the_budget_is_the_same_however_many_parameters_a_method_has(trials):
    tries = list(tries_of(settings("grid", "elr", "asl", "lnc"), Search((EVERY,), trials=trials)))
    assert set(counted(tries).values()) == {trials}
    distinct = {(t["method"], *sorted(t["parameters"].items())) for t in tries}
    assert len(distinct) == 4 * trials


@pytest.mark.parametrize(
    ("method", "default"),
    [
        ("grid", {"lambda": 20.0, "kl_weight": 1.0}),
        ("elr", {"lambda": 1.0, "beta": 0.9}),
        ("fl", {"alpha": 0.25, "gamma": 2.0}),
        ("jocor", {"lambda": 0.6, "tau": 0.05}),
    ],
)
def test_the_default_is_always_tried(method, default):
    tries = list(tries_of(settings(method), Search((EVERY,), trials=2)))
    assert default in [t["parameters"] for t in tries]


def test_the_default_that_a_loss_derives_is_tried():
    (first, second) = tries_of(settings("grid", loss="pce"), Search(("lambda",), trials=2))
    assert 10.0 in (first["parameters"]["lambda"], second["parameters"]["lambda"])


def test_the_draw_is_the_same_whoever_else_is_in_the_sweep():
    alone = list(tries_of(settings("elr"), Search((EVERY,), trials=5)))
    beside = [
        t for t in tries_of(settings("grid", "elr"), Search((EVERY,), trials=5)) if t["method"] == "elr"
    ]
    assert alone == beside


def test_values_that_the_user_gives_are_tried_instead():
    search = Search(("lambda",), {"lambda": ["5", "15", "slnir", "15.0"]})
    tries = list(tries_of(settings("grid"), search))
    assert [t["parameters"]["lambda"] for t in tries] == [5.0, 15.0, "slnir"]


def test_fixed_parameters_stay_and_noise_rates_share_the_tries():
    given = [{"method": "grid", "slnir": rate, "parameters": {"latent": "64"}} for rate in ("0", "30")]
    tries = list(tries_of(given, Search(("lambda",), trials=3)))
    assert len(tries) == 6
    assert all(t["parameters"]["latent"] == "64" for t in tries)
    by_rate = [[t["parameters"]["lambda"] for t in tries if t["slnir"] == rate] for rate in ("0", "30")]
    assert by_rate[0] == by_rate[1]


def test_all_methods_get_as_few_tries_as_the_one_with_the_fewest():
    search = Search(("lambda", "beta"), {"lambda": ["0", "0.5", "1"]})
    assert counted(tries_of(settings("grid", "elr"), search)) == {"grid": 3, "elr": 3}


RATES = {"learning_rate": ["0.001", "0.0001", "0.003"]}


def test_a_setting_of_the_recipe_is_tried_for_every_method_that_learns():
    tries = list(tries_of(settings("bce", "grid", "oracle"), Search((), settings=RATES)))
    assert counted(tries) == {"bce": 3, "grid": 3, "oracle": 1}
    assert [t["learning_rate"] for t in tries if t["method"] == "bce"] == RATES["learning_rate"]
    assert all(t["parameters"] == {} for t in tries)


def test_settings_and_parameters_are_tried_together_with_the_usual_ones_among_them():
    tries = list(tries_of(settings("bce", "jocor"), Search((EVERY,), settings=RATES)))
    assert counted(tries) == {"bce": 3, "jocor": 3}
    jocor = [(t["learning_rate"], t["parameters"]) for t in tries if t["method"] == "jocor"]
    assert ("0.001", {"lambda": 0.6, "tau": 0.05}) in jocor
    assert len({(rate, *sorted(parameters.items())) for rate, parameters in jocor}) == 3


def test_a_setting_that_has_the_name_of_a_parameter_is_not_tried_beside_it():
    momentum = {"momentum": ["0.9", "0.8"]}
    with pytest.raises(InputError, match="select one of them"):
        list(tries_of(settings("sat"), Search((EVERY,), settings=momentum)))
    tries = list(tries_of(settings("sat"), Search((), settings=momentum)))
    assert [(t["momentum"], t["parameters"]) for t in tries] == [("0.9", {}), ("0.8", {})]


def test_rows_that_only_give_a_scale_are_not_tuned():
    assert counted(tries_of(settings("oracle", "random", "fl"), Search((EVERY,)))) == {
        "oracle": 1, "random": 1, "fl": 10,
    }  # fmt: skip
    assert selected_names("oracle", "fl", Search((EVERY,))) == ()


def test_pairs_that_do_not_go_together_pass_through_untried():
    tries = list(tries_of(settings("elr", "grid", loss="pce"), Search(("lambda",))))
    assert counted(tries) == {"elr": 1, "grid": 10}


@pytest.mark.parametrize(
    ("methods", "search", "words"),
    [
        (["grid"], Search(("lamda",)), "'lambda'"),
        (["bce"], Search(("lambda",)), "'lambda'"),
        (["bce"], Search((EVERY,)), "declares"),
        (["grid"], Search(("latent",)), "-p latent=VALUE"),
        (["grid"], Search(("lambda",), {"lambda": ["200"]}), "from 0 to 100"),
        (["grid", "elr"], Search(("lambda",), trials=11), "only 10 combinations"),
        (["bce"], Search(("learning_rate",)), "--learning-rate VALUE,VALUE"),
        (["bce"], Search(("learning_rat",)), "'learning_rate'"),
        (["bce"], Search((), settings=RATES, trials=4), "--learning-rate VALUE,VALUE,... or fewer"),
        (["oracle", "random"], Search((), settings=RATES), "oracle and random: references are never tuned"),
        (["oracle"], Search(("lambda",)), "oracle: references are never tuned"),
    ],
)
def test_what_cannot_be_selected_is_refused_with_the_way_out(methods, search, words):
    with pytest.raises(InputError, match=words):
        list(tries_of(settings(*methods), search))


@pytest.mark.parametrize("wrong", [{"names": ()}, {"names": ("lambda",), "trials": 1}])
def test_a_search_that_is_none_is_refused(wrong):
    with pytest.raises(InputError):
        Search(**wrong)
