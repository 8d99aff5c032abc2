"""Arithmetic, memory format and compilation of the backbone: what they change, what they must not, and resuming."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file

from gridbench import run
from gridbench.config import make_config
from gridbench.core.streams import torch_scope
from gridbench.errors import InputError, RunFailed
from gridbench.plan import make_plan
from gridbench.records.record import iter_records
from gridbench.records.runner import Execution
from gridbench.training.backbone import BackboneSpec, build_backbone
from gridbench.training.experiment import Experiment

CPU = torch.device("cpu")
SPEC = BackboneSpec("test_resnet", 3, (16, 16))


@pytest.fixture
def compiling(monkeypatch):
    """Compile by a function of a graph and its inputs; returns the graphs that were compiled."""

    def by(backend):
        graphs = []

        def counting(graph, inputs):
            graphs.append(tuple(inputs[-1].shape) if inputs else ())
            return backend(graph, inputs)

        monkeypatch.setattr("gridbench.training.compile.BACKEND", counting)
        return graphs

    torch._dynamo.reset()
    yield by
    torch._dynamo.reset()


@pytest.fixture
def compiled(compiling):
    """The graphs that were compiled, by a backend that traces and partitions like every other but makes no C++."""
    # Seconds to import, so only where something is compiled.
    from torch._dynamo.backends.debugging import aot_eager

    return compiling(aot_eager)


@pytest.fixture
def traced(compiling):
    """The graphs that were compiled, by a backend that runs what was traced as it is: the cheapest there is."""
    return compiling(lambda graph, inputs: graph.forward)


@pytest.fixture
def experiment(cache, settings):
    def make(**values):
        return Experiment(make_plan(make_config({**settings, "slnir": 30, **values}), cache), CPU)

    return make


@pytest.fixture
def go(tmp_path, cache, settings):
    def start(runs="runs", progress=None, **values):
        execution = Execution(tmp_path / runs, cache, "cpu", "all", threads=1, progress=progress)
        return run(make_config({**settings, "slnir": 30, **values}), execution)

    return start


class StopAfterTwo:
    def epoch(self, done, total, row):
        if done == 2:
            raise KeyboardInterrupt


def numbers(record):
    names = ("history.json", "result.json", "retrieval.npz", "weights.safetensors", "descriptors.npz")
    return {name: (record.folder / name).read_bytes() for name in names}


def gradients(made):
    """One step of the first batch, and what it sends to each parameter."""
    trainer = made.trainer
    batch = trainer.make_batch(np.arange(24), 0, 0)
    made.method.train()
    with torch_scope(CPU, 0, "step"):
        made.method.step(batch).loss.backward()
    return {name: p.grad.clone() for name, p in made.method.named_parameters() if p.grad is not None}


def furthest(ours, reference):
    """The largest difference of any gradient, relative to the largest entry of it."""
    assert ours.keys() == reference.keys()
    return max(
        float((ours[name] - reference[name]).abs().max() / reference[name].abs().max().clamp_min(1e-6))
        for name in ours
    )


def spec_is_built(**changes):
    with torch_scope(CPU, 0, "init"):
        return build_backbone(replace(SPEC, **changes))


# channels_last


def test_channels_last_is_the_same_network_to_rounding_and_runs_in_that_format():
    plain, last = spec_is_built(), spec_is_built(memory_format="channels_last")
    for (name, one), (other_name, two) in zip(
        plain.state_dict().items(), last.state_dict().items(), strict=True
    ):
        assert name == other_name
        assert torch.equal(one, two)
    seen = []
    (first, *_) = (each for each in last.modules() if isinstance(each, torch.nn.Conv2d))
    first.register_forward_hook(lambda module, given, output: seen.extend([given[0], output, module.weight]))
    images = torch.randn(6, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(last(images), plain(images), rtol=1e-4, atol=1e-5)
    assert len(seen) == 3
    assert all(each.is_contiguous(memory_format=torch.channels_last) for each in seen)
    assert not any(each.is_contiguous() for each in seen)


@pytest.mark.parametrize("name", ["test_vit", "test_convnext", "test_efficientnet"])
def test_channels_last_suits_networks_of_any_layout(name):
    images = torch.randn(2, 4, 64, 64, generator=torch.Generator().manual_seed(0))
    spec = {"name": name, "bands": 4, "image_size": (64, 64)}
    plain, last = spec_is_built(**spec), spec_is_built(**spec, memory_format="channels_last")
    torch.testing.assert_close(last.eval()(images), plain.eval()(images), rtol=1e-4, atol=1e-4)


def test_contiguous_is_what_is_meant_by_saying_nothing(cache, settings):
    plans = [
        make_plan(make_config({**settings, **said}), cache)
        for said in (
            {},
            {"memory_format": "contiguous", "compile": False},
            {"memory_format": "channels_last"},
        )
    ]
    assert plans[0].id == plans[1].id != plans[2].id
    assert plans[0].document()["config"].keys().isdisjoint({"memory_format", "compile"})


@pytest.mark.parametrize(
    "values",
    [{"method": "bce"}, {"method": "grid", "loss": "pce", "precision": "bfloat16", "output_stride": 8}],
)
def test_a_run_in_channels_last_resumes_to_the_same_bits(go, values):
    values = {**values, "memory_format": "channels_last"}
    whole = go("whole", **values)
    with pytest.raises(KeyboardInterrupt):
        go("broken", progress=StopAfterTwo(), **values)
    assert numbers(go("broken", **values)) == numbers(whole)


def test_weights_trained_in_channels_last_load_into_timm(go):
    record = go(method="bce", memory_format="channels_last")
    weights = load_file(record.folder / "weights.safetensors")
    timm.create_model("test_resnet", num_classes=0).load_state_dict(weights)


# bfloat16


@pytest.mark.parametrize(
    ("method", "loss"),
    [
        *(("grid", loss) for loss in ("bce", "fl", "asl", "pce", "rrl")),
        *(("jocor", loss) for loss in ("bce", "pce")),
        ("elr", "bce"),
        ("lnc", "pce"),
    ],
)
def test_heads_and_losses_are_float32_and_the_backbone_is_not(experiment, method, loss):
    made = experiment(method=method, loss=loss, precision="bfloat16")
    seen: dict[str, set] = {"backbone": set(), "heads": set()}

    def note(where):
        return lambda module, given, output: seen[where].add(output.dtype)

    for name, module in made.method.named_modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear | torch.nn.ConvTranspose2d):
            module.register_forward_hook(note("backbone" if name.startswith("backbone") else "heads"))
    made.method.train()
    output = made.method.step(made.trainer.make_batch(np.arange(24), 0, 0))
    assert seen == {"backbone": {torch.bfloat16}, "heads": {torch.float32}}
    assert output.loss.dtype == output.per_sample_loss.dtype == output.prediction.dtype == torch.float32


def test_evaluation_is_in_the_arithmetic_of_training(experiment):
    made = experiment(method="bce", precision="bfloat16")
    seen = []
    made.method.backbone.model.conv1.register_forward_hook(lambda *each: seen.append(each[2].dtype))
    made.method.head.register_forward_hook(lambda *each: seen.append(each[2].dtype))
    (logits,) = made.predictions("train")
    assert seen == [torch.bfloat16, torch.float32]
    assert logits.dtype == torch.float32


# compile


@pytest.mark.parametrize(
    ("method", "share", "more"),
    [
        ("grid", {"lambda": 50}, {}),
        ("jocor", {"lambda": 0.6}, {"memory_format": "channels_last"}),
        pytest.param("grid", {"lambda": 50}, {"memory_format": "channels_last"}, marks=pytest.mark.slow),
        pytest.param("jocor", {"lambda": 0.6}, {}, marks=pytest.mark.slow),
    ],
)
def test_gradients_through_compiled_backbones_are_the_same(experiment, compiled, method, share, more):
    asked = {"method": method, "loss": "bce", "parameters": share, **more}
    reference = gradients(experiment(**asked))
    assert not compiled
    ours = gradients(experiment(**asked, compile=True))
    assert compiled
    assert furthest(ours, reference) < 1e-4
    # Another share is told apart; plainly, since compiled gradients were just seen to be the plain ones.
    other = gradients(experiment(**{**asked, "parameters": {"lambda": 0}}))
    with pytest.raises(AssertionError):
        assert furthest(other, reference) < 1e-2


def test_gradients_through_a_compiled_feature_map_are_the_same(experiment, compiled):
    asked = {"method": "grid", "loss": "pce", "parameters": {"lambda": 50}}
    assert furthest(gradients(experiment(**asked, compile=True)), gradients(experiment(**asked))) < 1e-4
    assert compiled


def test_a_compiled_run_keeps_names_resumes_exactly_and_compiles_training_alone(go, traced):
    whole = go("whole", method="bce", compile=True, select="best", batch_size=20)
    assert len(traced) == 2 + 1  # whether anything compiles, then mini-batches of 20 and of 8
    weights = load_file(whole.folder / "weights.safetensors")
    timm.create_model("test_resnet", num_classes=0).load_state_dict(weights)
    with pytest.raises(KeyboardInterrupt):
        go("broken", progress=StopAfterTwo(), method="bce", compile=True, select="best", batch_size=20)
    torch._dynamo.reset()
    resumed = go("broken", method="bce", compile=True, select="best", batch_size=20)
    assert numbers(resumed) == numbers(whole)


@pytest.mark.parametrize("compile", [False, True])
def test_a_copy_of_a_backbone_trains_with_its_own_weights(traced, compile):
    """What a moving average of a backbone begins as; a compiled function knows the network that it was made for."""
    backbone = build_backbone(replace(SPEC, compiled=compile)).train()
    other = copy.deepcopy(backbone)
    images = torch.randn(4, 3, 16, 16)
    assert torch.equal(other.features(images), backbone.features(images))
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(0.1)
    assert not torch.equal(other.features(images), backbone.features(images))


def test_without_a_compiler_nothing_is_begun_and_the_way_out_is_named(go, tmp_path, monkeypatch):
    def no_compiler(graph, inputs):
        raise RuntimeError("No working C++ compiler found")

    torch._dynamo.reset()
    monkeypatch.setattr("gridbench.training.compile.BACKEND", no_compiler)
    with pytest.raises(InputError, match=r"No working C\+\+ compiler.*Leave out --compile"):
        go(method="bce", compile=True)
    assert not (tmp_path / "runs").exists()


def test_a_backbone_that_does_not_compile_fails_with_the_way_out(go, tmp_path, monkeypatch):
    def not_this_one(graph, inputs):
        if len(inputs) > 1:
            raise RuntimeError("an operator is not known")
        return graph.forward

    torch._dynamo.reset()
    monkeypatch.setattr("gridbench.training.compile.BACKEND", not_this_one)
    with pytest.raises(RunFailed, match=r"cannot be compiled .*not known.*leave out --compile"):
        go(method="bce", compile=True)
    (stored,) = iter_records(tmp_path / "runs")
    assert stored.state == "failed"


def test_users_get_inductor():
    from gridbench.training import compile

    assert compile.BACKEND == "inductor"


@pytest.mark.slow
def test_a_run_through_inductor_is_the_plain_run_to_rounding(go):
    torch._dynamo.reset()
    plain, quick = go("plain", method="grid"), go("quick", method="grid", compile=True)
    assert quick.epochs()[0]["loss"] == pytest.approx(plain.epochs()[0]["loss"], rel=1e-3)
    with pytest.raises(KeyboardInterrupt):
        go("broken", progress=StopAfterTwo(), method="grid", compile=True)
    torch._dynamo.reset()
    assert numbers(go("broken", method="grid", compile=True)) == numbers(quick)
