# SPDX-License-Identifier: Apache-2.0
"""PyTorch's half: the same mathematics as fewstep's, in the ways that a user of PyTorch has to make it fast.

A workload has run(), which is timed, and differences(), which computes from the inputs that fewstep had and says how far
the results are from fewstep's. Noise is drawn anew by every timed run, on both sides.

Ways that fold the weights into the program (freezing, packed weights) are tried for the perceptron, which stands for a
finished policy, and not for the U-Net, whose weights change with every update.
"""

import math
import sys
from pathlib import Path
from typing import Callable, Iterator, NamedTuple

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "pytorch"))
from text_unet import load  # noqa: E402
from weights_file import load_file, load_metadata  # noqa: E402

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


class difference(NamedTuple):
    """How far a result is from fewstep's, and how far it may be."""

    what: str
    value: float
    tolerance: float


class exchange:
    """The files that fewstep_peer wrote."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.arrays = load_file(folder / "arrays.safetensors")
        self.metadata = load_metadata(folder / "arrays.safetensors")

    def __getitem__(self, name: str) -> torch.Tensor:
        return self.arrays[name]

    def number(self, name: str) -> float:
        return self.arrays[name].item()

    def network(self, layout: str) -> nn.Module:
        return load(self.folder / "model.safetensors").to(memory_format=LAYOUTS[layout])

    def parameters(self, name: str) -> dict:
        """Numbers of an array for each parameter of the network, by name."""
        numbers = load_file(self.folder / f"{name}.safetensors")
        return {name: value for name, value in numbers.items() if name != "time.frequencies"}


def pictures(rows: torch.Tensor, layout: str) -> torch.Tensor:
    """[N, C, H, W] of fewstep's rows [N, H W C]."""
    return rows.reshape(len(rows), 32, 32, 3).permute(0, 3, 1, 2).contiguous(memory_format=LAYOUTS[layout])


def rows_of(x: torch.Tensor) -> torch.Tensor:
    return x.permute(0, 2, 3, 1).flatten(1)


def relative(got: torch.Tensor, expected: torch.Tensor) -> float:
    """Largest difference, in units of the largest value."""
    return ((got.detach() - expected).abs().max() / expected.abs().max()).item()


def relative_by_name(got: dict, expected: dict) -> float:
    """The same of many arrays, each by its own largest value, but at least a thousandth of the largest of all."""
    floor = 1e-3 * max(value.abs().max().item() for value in expected.values())
    return max((got[name].detach() - value).abs().max().item() / max(floor, value.abs().max().item())
               for name, value in expected.items())


def relative_length(got: dict, expected: dict) -> float:
    """Length of the difference of two long vectors, in units of the length of the second."""
    squares = sum((got[name].detach() - value).double().square().sum().item() for name, value in expected.items())
    return math.sqrt(squares / sum(value.double().square().sum().item() for value in expected.values()))


def compiled(function: Callable, compiles: bool) -> Callable:
    return torch.compile(function, dynamic=False) if compiles else function


def forget_compiled() -> None:
    """Compiled functions share a limit on how many versions of one are kept, beyond which nothing is compiled."""
    if hasattr(torch, "compile"):
        torch.compiler.reset()


# The U-Net.

class forward:
    def __init__(self, given: exchange, layout: str, compiles: bool):
        self.given, self.network = given, given.network(layout)
        self.call = compiled(self.network, compiles)
        self.inputs = pictures(given["forward.x"], layout), given["forward.times"], given["forward.tokens"]

    def run(self) -> torch.Tensor:
        with torch.inference_mode():
            return self.call(*self.inputs)

    def differences(self) -> Iterator[difference]:
        yield difference("network output", relative(rows_of(self.run()), self.given["forward.o"]), 1e-5)


class forward_backward(forward):
    def __init__(self, given: exchange, layout: str, compiles: bool):
        super().__init__(given, layout, compiles)
        self.probe = pictures(given["forward.probe"], layout)

    def run(self) -> None:
        self.network.zero_grad(set_to_none=True)
        self.call(*self.inputs).backward(self.probe)

    def differences(self) -> Iterator[difference]:
        self.run()
        gradients = {name: parameter.grad for name, parameter in self.network.named_parameters()}
        yield difference("gradient", relative_by_name(gradients, self.given.parameters("gradient")), 1e-4)


# Transitions x' ~ N(a x + b o, sigma^2 I).

def log_probability(next_x: torch.Tensor, mean: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """Mean over the values of a sample."""
    squares = (next_x - mean).square().mean(dim=tuple(range(1, mean.dim())))
    return -squares / (2 * sigma * sigma) - sigma.log() - HALF_LOG_TWO_PI


def clipped_loss(log_pi: torch.Tensor, old: torch.Tensor, advantages: torch.Tensor, clip: float) -> torch.Tensor:
    ratio = (log_pi - old).exp()
    return -torch.minimum(advantages * ratio, advantages * ratio.clamp(1 - clip, 1 + clip)).mean()


class score:
    """Loss of rows of transitions and its gradient with respect to the network's output. The ways: `plain` is written as
    the formula is; `addcmul` saves temporary arrays; `grad` has value and gradient compiled as one function."""

    def __init__(self, given: exchange, rows: int, way: str, compiles: bool):
        self.given, self.way = given, way
        repeated = {name: given[f"score.{name}"].repeat(rows // 64, *[1] * (given[f"score.{name}"].dim() - 1))
                    for name in ("x", "next", "o", "old", "advantages", "steps")}
        self.o = repeated["o"].requires_grad_(way != "grad")
        a, b, sigma = repeated["steps"].unbind(1)
        self.inputs = (repeated["x"], repeated["next"], a[:, None].clone(), b[:, None].clone(), sigma.clone(),
                       repeated["old"], repeated["advantages"], given.number("clip_range"))
        loss = self.addcmul_loss if way == "addcmul" else self.plain_loss
        self.loss = compiled(torch.func.grad_and_value(loss) if way == "grad" else loss, compiles)

    @staticmethod
    def plain_loss(o, x, next_x, a, b, sigma, old, advantages, clip) -> torch.Tensor:
        return clipped_loss(log_probability(next_x, a * x + b * o, sigma), old, advantages, clip)

    @staticmethod
    def addcmul_loss(o, x, next_x, a, b, sigma, old, advantages, clip) -> torch.Tensor:
        residual = torch.addcmul(next_x, a, x, value=-1).addcmul(b, o, value=-1)
        squares = torch.einsum("nd,nd->n", residual, residual) / o.shape[1]
        log_pi = -squares / (2 * sigma * sigma) - sigma.log() - HALF_LOG_TWO_PI
        return clipped_loss(log_pi, old, advantages, clip)

    def run(self) -> tuple:
        """Gradient and loss."""
        if self.way == "grad":
            return self.loss(self.o, *self.inputs)
        self.o.grad = None
        loss = self.loss(self.o, *self.inputs)
        loss.backward()
        return self.o.grad, loss.detach()

    def differences(self) -> Iterator[difference]:
        gradient, loss = self.run()
        repeats = len(self.o) // 64
        yield difference("loss of the score kernel", relative(loss, self.given["score.loss"][0]), 1e-5)
        yield difference("gradient of the score kernel",
                         relative(repeats * gradient, self.given["score.gradient"].repeat(repeats, 1)), 1e-5)


class steps(NamedTuple):
    """A step table: tensors for the arithmetic, and whether a row has noise."""

    time: torch.Tensor
    a: torch.Tensor
    b: torch.Tensor
    sigma: torch.Tensor
    initial_sigma: float

    @classmethod
    def of(cls, given: exchange, name: str) -> "steps":
        time, a, b, sigma = given[f"{name}.table"][:, :4].T.contiguous()
        return cls(time, a, b, sigma, given.number(f"{name}.initial_sigma"))

    @property
    def horizon(self) -> int:
        return len(self.time)


class policy:
    """Samples of the network under a step table. The last row is the clean prediction: deterministic and not scored."""

    def __init__(self, network: nn.Module, table: steps, batch: int, layout: str, compiles: bool):
        self.table, self.layout, self.shape = table, layout, (batch, 3, 32, 32)
        self.times = [time.expand(batch).clone() for time in table.time]

        def move(x, time, tokens, a, b, sigma, z) -> tuple:
            mean = a * x + b * network(x, time, tokens)
            next_x = mean + sigma * z
            return next_x, log_probability(next_x, mean, sigma)

        def finish(x, time, tokens, a, b) -> torch.Tensor:
            return a * x + b * network(x, time, tokens)

        self.move, self.finish = compiled(move, compiles), compiled(finish, compiles)

    def fresh_noise(self, step: int) -> torch.Tensor:
        return torch.empty(self.shape, memory_format=LAYOUTS[self.layout]).normal_()

    def given_noise(self, given: exchange) -> Callable:
        return lambda step: pictures(given["noise.start" if step < 0 else f"noise.{step}"], self.layout)

    def sample(self, tokens: torch.Tensor, noise: Callable) -> tuple:
        """States x_0 .. x_H, the last being the result, and the log-probabilities of the steps before it."""
        states, log_pis = [noise(-1) * self.table.initial_sigma], []
        for k in range(self.table.horizon - 1):
            row = self.table.a[k], self.table.b[k], self.table.sigma[k]
            state, log_pi = self.move(states[-1], self.times[k], tokens, *row, noise(k))
            states.append(state)
            log_pis.append(log_pi)
        states.append(self.finish(states[-1], self.times[-1], tokens, self.table.a[-1], self.table.b[-1]))
        return states, log_pis


class rollout:
    def __init__(self, given: exchange, horizon: int, layout: str, compiles: bool):
        self.given, self.name, self.tokens = given, f"rollout_{horizon}", given["forward.tokens"]
        self.policy = policy(given.network(layout), steps.of(given, self.name), len(self.tokens), layout, compiles)

    def run(self) -> None:
        with torch.inference_mode():
            self.policy.sample(self.tokens, self.policy.fresh_noise)

    def differences(self) -> Iterator[difference]:
        with torch.inference_mode():
            states, log_pis = self.policy.sample(self.tokens, self.policy.given_noise(self.given))
        expected = self.given[f"{self.name}.states"].chunk(len(states))
        yield difference("states of a rollout", max(map(relative, map(rows_of, states), expected)), 1e-5)
        yield difference("log-probabilities",
                         relative(torch.cat(log_pis), self.given[f"{self.name}.log_probabilities"]), 1e-5)


# Optimizers.

def make_optimizer(given: exchange, rule: str, parameters: list, way: str) -> torch.optim.Optimizer:
    """`way` is for-loop, foreach or fused."""
    rate, beta1, beta2, epsilon, decay = given[f"{rule.lower()}.settings"].tolist()
    ways = {"for-loop": {"foreach": False}, "foreach": {"foreach": True}, "fused": {"fused": True}}
    return getattr(torch.optim, rule)(parameters, lr=rate, betas=(beta1, beta2), eps=epsilon, weight_decay=decay,
                                      **ways[way])


class optimizer_step:
    """A step over one array of `size` parameters, or over the parameters of the network."""

    def __init__(self, given: exchange, rule: str, size: int, way: str, compiles: bool):
        self.given, self.rule, self.is_network = given, rule, size == 0
        self.parameters = self.network_parameters() if self.is_network else {"flat": torch.randn(size)}
        for name, value in self.parameters.items():
            value.requires_grad_(True)
            value.grad = given.parameters("gradient")[name] if self.is_network else torch.randn(size)
        self.optimizer = make_optimizer(given, rule, list(self.parameters.values()), way)
        self.step = compiled(self.optimizer.step, compiles)

    def network_parameters(self) -> dict:
        return self.given.parameters("model")

    def run(self) -> None:
        self.step()

    def differences(self) -> Iterator[difference]:
        """Three steps; how far the parameters moved is compared, not where they are. AdamW's decay by 3e-8 of a parameter
        is less than a float resolves, and every way rounds it differently."""
        if not self.is_network:
            return
        for _ in range(3):
            self.step()
        before = self.network_parameters()
        moved = {name: value.detach() - before[name] for name, value in self.parameters.items()}
        expected = {name: value - before[name] for name, value in self.given.parameters(self.rule.lower()).items()}
        yield difference(f"parameters moved by {self.rule}", relative_by_name(moved, expected), 2e-3)


class update:
    """A whole update of RLCM: rollout, reward (mean pixel), advantages, replay, clipped gradient, Adam. The rows are
    replayed `at_once`, or a step of the trajectories at a time."""

    def __init__(self, given: exchange, layout: str, compiles: bool, at_once: bool):
        self.given, self.layout, self.at_once = given, layout, at_once
        self.network = network = given.network(layout)
        self.tokens = given["update.tokens"]
        self.table = table = steps.of(given, "rollout_4")
        self.policy = policy(network, table, len(self.tokens), layout, compiles)
        self.optimizer = self.fastest_adam()
        self.max_norm = given.number("update.max_gradient_norm")
        clip = given.number("clip_range")

        def loss(x, next_x, time, tokens, a, b, sigma, old, advantages) -> torch.Tensor:
            log_pi = log_probability(next_x, a * x + b * network(x, time, tokens), sigma)
            return clipped_loss(log_pi, old, advantages, clip)

        self.loss = compiled(loss, compiles)

    def fastest_adam(self) -> torch.optim.Optimizer:
        parameters = list(self.network.parameters())
        try:
            return make_optimizer(self.given, "Adam", parameters, "fused")
        except (RuntimeError, TypeError):  # before PyTorch 2.4
            return make_optimizer(self.given, "Adam", parameters, "foreach")

    def replayed(self, states: list, log_pis: list, advantages: torch.Tensor) -> Iterator[tuple]:
        """What the loss reads, in one part or in one for each step."""
        batch, trained = len(self.tokens), self.table.horizon - 1
        parts = [range(trained)] if self.at_once else [[k] for k in range(trained)]
        for part in parts:
            a, b, sigma = (torch.cat([value[k].expand(batch) for k in part])
                           for value in (self.table.a, self.table.b, self.table.sigma))
            yield (torch.cat([states[k] for k in part]), torch.cat([states[k + 1] for k in part]),
                   torch.cat([self.policy.times[k] for k in part]), self.tokens.repeat(len(part), 1),
                   a[:, None, None, None], b[:, None, None, None], sigma, torch.cat([log_pis[k] for k in part]),
                   advantages.repeat(len(part)))

    def step(self, noise: Callable) -> dict:
        with torch.no_grad():
            states, log_pis = self.policy.sample(self.tokens, noise)
            rewards = states[-1].mean(dim=(1, 2, 3))
            advantages = ((rewards - rewards.mean()) / (rewards.std(unbiased=False) + 1e-8)).clamp(-5, 5)
        self.optimizer.zero_grad(set_to_none=True)
        total, parts = 0.0, 1 if self.at_once else self.table.horizon - 1
        for part in self.replayed(states, log_pis, advantages):
            loss = self.loss(*part) / parts
            loss.backward()
            total += loss.item()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.max_norm).item()
        self.optimizer.step()
        return {"result": states[-1], "rewards": rewards, "loss": total, "norm": norm}

    def run(self) -> None:
        self.step(self.policy.fresh_noise)

    def differences(self) -> Iterator[difference]:
        given, before = self.given, self.given.parameters("model")
        done = self.step(self.policy.given_noise(given))
        clip = min(1.0, self.max_norm / (given.number("update.gradient_norm") + 1e-6))
        gradients = {name: parameter.grad for name, parameter in self.network.named_parameters()}
        expected = {name: clip * value for name, value in given.parameters("update_gradient").items()}
        moved = {name: value.detach() - before[name] for name, value in self.network.named_parameters()}
        expected_move = {name: value - before[name] for name, value in given.parameters("updated").items()}
        yield difference("samples of an update", relative(rows_of(done["result"]), given["update.samples"]), 1e-5)
        yield difference("rewards", relative(done["rewards"], given["update.rewards"]), 1e-5)
        yield difference("loss", abs(done["loss"] - given.number("update.loss")), 1e-5)
        yield difference("gradient norm", relative(torch.tensor(done["norm"]), given["update.gradient_norm"][0]), 1e-4)
        yield difference("gradient of an update", relative_by_name(gradients, expected), 1e-4)
        yield difference("parameters moved by an update", relative_length(moved, expected_move), 1e-3)


# The perceptron.

class perceptron(nn.Module):
    """mlp_generator: an MLP of the scaled sample and Fourier features of the noise level."""

    def __init__(self, given: exchange):
        super().__init__()
        weights = {name: value for name, value in given.arrays.items() if name.startswith("mlp.") and
                   name.endswith((".weight", ".bias"))}
        sizes = [weights[f"mlp.{i}.weight"].shape for i in (0, 2, 4)]
        self.mlp = nn.Sequential(nn.Linear(*sizes[0][::-1]), nn.SiLU(), nn.Linear(*sizes[1][::-1]), nn.SiLU(),
                                 nn.Linear(*sizes[2][::-1]))
        self.load_state_dict(weights)
        self.register_buffer("frequencies", given["mlp.frequencies"], persistent=False)

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        phase = t.log()[:, None] / 4 * self.frequencies
        scaled = x / (t * t + 0.25).sqrt()[:, None]
        return self.mlp(torch.cat([scaled, phase.sin(), phase.cos()], dim=1))


class single_prediction:
    """`way`: eager, compile, or TorchScript, traced and frozen."""

    def __init__(self, given: exchange, way: str):
        self.given, network = given, perceptron(given).eval()
        self.inputs = given["mlp.x"], given["mlp.time"]
        if way == "TorchScript":
            with torch.inference_mode():
                network = torch.jit.freeze(torch.jit.trace(network, self.inputs))
        self.call = compiled(network, way == "compile")

    def run(self) -> torch.Tensor:
        with torch.inference_mode():
            return self.call(*self.inputs)

    def differences(self) -> Iterator[difference]:
        yield difference("output of the perceptron", relative(self.run(), self.given["mlp.o"]), 1e-5)


class workload(NamedTuple):
    """What is timed: fewstep's name of it, a title, and PyTorch's ways by name. Those of eager mode come first."""

    name: str
    title: str
    ways: dict


def network_ways(make: Callable, *rest) -> dict:
    return {f"{'compile' if compiles else 'eager'}, {layout}": (lambda given, c=compiles, l=layout: make(given, *rest, l, c))
            for compiles in (False, True) for layout in LAYOUTS}


def update_ways() -> dict:
    return {f"{'compile' if compiles else 'eager'}, {layout}, replayed {'at once' if at_once else 'by step'}":
            (lambda given, c=compiles, l=layout, a=at_once: update(given, l, c, a))
            for compiles in (False, True) for layout in LAYOUTS for at_once in (True, False)}


def score_ways(rows: int) -> dict:
    return {"eager": lambda given: score(given, rows, "plain", False),
            "eager, addcmul": lambda given: score(given, rows, "addcmul", False),
            "compile": lambda given: score(given, rows, "plain", True),
            "compile, torch.func.grad": lambda given: score(given, rows, "grad", True)}


def optimizer_ways(rule: str, size: int) -> dict:
    eager = {f"eager, {way}": (lambda given, w=way: optimizer_step(given, rule, size, w, False))
             for way in ("for-loop", "foreach", "fused")}
    return {**eager, "compile": lambda given: optimizer_step(given, rule, size, "foreach", True)}


def optimizer_workloads() -> list:
    sizes = {"1M": ("1 M parameters", 1_000_000), "10M": ("10 M parameters", 10_000_000),
             "network": ("the U-Net's parameters", 0)}
    return [workload(f"{rule.lower()}_{name}", f"{rule}, {title}", optimizer_ways(rule, size))
            for rule in ("Adam", "AdamW") for name, (title, size) in sizes.items()]


WORKLOADS = [
    workload("update", "RLCM update, horizon 4, 64 samples", update_ways()),
    workload("rollout_4", "rollout, horizon 4, 64 samples", network_ways(rollout, 4)),
    workload("rollout_8", "rollout, horizon 8, 64 samples", network_ways(rollout, 8)),
    workload("forward", "U-Net forward, batch 64", network_ways(forward)),
    workload("forward_backward", "U-Net forward and backward, batch 64", network_ways(forward_backward)),
    workload("score_64", "score kernel, [64, 3072]", score_ways(64)),
    workload("score_4096", "score kernel, [4096, 3072]", score_ways(4096)),
    *optimizer_workloads(),
    workload("mlp", "perceptron of hidden 64 64, batch 1",
             {way: (lambda given, w=way: single_prediction(given, w)) for way in ("eager", "compile", "TorchScript")}),
]
