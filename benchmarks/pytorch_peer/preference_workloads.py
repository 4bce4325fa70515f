# SPDX-License-Identifier: Apache-2.0
"""Updates of preference learning: PyTorch's half, as workloads.py is."""

from typing import Callable, Iterator

import torch
from torch import nn
from torch.nn import functional as F

from workloads import (LAYOUTS, compiled, difference, exchange, load, make_optimizer, pictures, policy, relative_by_name,
                       relative_length, steps, workload)


class preference_update:
    """-log sigmoid(beta (log-ratio of the winner - log-ratio of the loser)) of pairs of rows, whose reference is a second
    network, asked without a tape."""

    name = ""

    def __init__(self, given: exchange, layout: str, compiles: bool):
        self.given, self.layout = given, layout
        self.network = network = given.network(layout)
        reference = load(given.folder / "reference.safetensors").to(memory_format=LAYOUTS[layout])
        reference.requires_grad_(False)
        self.optimizer = make_optimizer(given, "Adam", list(network.parameters()), "fused")
        self.max_norm, beta = self.number("max_gradient_norm"), self.number("beta")

        def errors(net: nn.Module, x, times, tokens, target) -> torch.Tensor:
            return (target - net(x, times, tokens)).square().mean(dim=(1, 2, 3))

        def loss(x, times, tokens, target, scale, labels, reference_errors) -> torch.Tensor:
            log_ratios = scale * (reference_errors - errors(network, x, times, tokens, target))
            return -F.logsigmoid(beta * (labels * log_ratios).view(-1, 2).sum(dim=1)).mean()

        self.reference_errors = compiled(lambda *rows: errors(reference, *rows), compiles)
        self.loss = compiled(loss, compiles)

    def number(self, what: str) -> float:
        return self.given.number(f"{self.name}.{what}")

    def learn(self, x, times, tokens, target, scale, labels) -> tuple:
        """Loss and the norm of the gradient."""
        with torch.no_grad():
            reference_errors = self.reference_errors(x, times, tokens, target)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(x, times, tokens, target, scale, labels, reference_errors)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.max_norm)
        self.optimizer.step()
        return loss.item(), norm.item()

    def rows(self) -> tuple:
        of = {what: self.given[f"{self.name}.{what}"] for what in ("x", "times", "tokens", "target", "scale", "labels")}
        return (pictures(of["x"], self.layout), of["times"], of["tokens"], pictures(of["target"], self.layout), of["scale"],
                of["labels"])

    def differences(self) -> Iterator[difference]:
        given, before = self.given, self.given.parameters("model")
        loss, norm = self.learn(*self.rows())
        clip = min(1.0, self.max_norm / (self.number("gradient_norm") + 1e-6))
        gradients = {name: parameter.grad for name, parameter in self.network.named_parameters()}
        expected = {name: clip * value for name, value in given.parameters(f"{self.name}_gradient").items()}
        moved = {name: value.detach() - before[name] for name, value in self.network.named_parameters()}
        expected_move = {name: value - before[name] for name, value in given.parameters(f"{self.name}_updated").items()}
        # The difference of two errors of about the same size, times beta: single precision leaves four digits of it.
        title = self.name.replace("_", "-")
        yield difference(f"loss of {title}", abs(loss / self.number("loss") - 1), 1e-3)
        yield difference(f"gradient norm of {title}", abs(norm / self.number("gradient_norm") - 1), 2e-3)
        yield difference(f"gradient of {title}", relative_by_name(gradients, expected), 2e-3)
        yield difference(f"parameters moved by {title}", relative_length(moved, expected_move), 5e-2)


class diffusion_dpo(preference_update):
    """Both members of a pair are noised by one noise to one time, and compared by their denoising errors."""

    name = "diffusion_dpo"

    def __init__(self, given: exchange, layout: str, compiles: bool):
        super().__init__(given, layout, compiles)
        _, self.times, self.tokens, _, self.scale, self.labels = self.rows()
        self.clean = torch.randn(len(self.times), 3, 32, 32).contiguous(memory_format=LAYOUTS[layout])
        shape = len(self.times), 1, 1, 1
        levels = torch.rand(4, *shape)

        def noised(clean, z) -> tuple:
            z = z.repeat_interleave(2, dim=0)
            return levels[0] * clean + levels[1] * z, levels[2] * clean + levels[3] * z

        self.noised = compiled(noised, compiles)

    def run(self) -> None:
        shape = len(self.times) // 2, 3, 32, 32
        z = torch.empty(shape, memory_format=LAYOUTS[self.layout]).normal_()
        x, target = self.noised(self.clean, z)
        self.learn(x, self.times, self.tokens, target, self.scale, self.labels)


class d3po(preference_update):
    """Two trajectories of each prompt from one initial state are compared at each of their trained steps, all at once."""

    name = "d3po"

    def __init__(self, given: exchange, layout: str, compiles: bool):
        super().__init__(given, layout, compiles)
        self.table = steps.of(given, "rollout_4")
        self.texts = given["forward.tokens"][::2].repeat_interleave(2, dim=0)
        self.policy = policy(self.network, self.table, len(self.texts), layout, compiles)
        trained, batch = self.table.horizon - 1, len(self.texts)
        a, b, sigma = (value[:trained].repeat_interleave(batch) for value in (self.table.a, self.table.b, self.table.sigma))
        self.a, self.b = a[:, None, None, None], b[:, None, None, None]
        self.scale = (b / sigma).square() / 2
        self.times = torch.cat(self.policy.times[:trained])
        self.tokens = self.texts.repeat(trained, 1)

    def noise(self, step: int) -> torch.Tensor:
        if step >= 0:
            return self.policy.fresh_noise(step)
        batch, *shape = self.policy.shape
        start = torch.empty(batch // 2, *shape, memory_format=LAYOUTS[self.layout]).normal_()
        return start.repeat_interleave(2, dim=0)

    def run(self) -> None:
        trained = self.table.horizon - 1
        with torch.no_grad():
            states, _ = self.policy.sample(self.texts, self.noise)
            rewards = states[-1].mean(dim=(1, 2, 3)).view(-1, 2)
            sign = torch.sign(rewards[:, 0] - rewards[:, 1])
            labels = torch.stack([sign, -sign], dim=1).flatten().repeat(trained)
            x = torch.cat(states[:trained])
            target = (torch.cat(states[1:trained + 1]) - self.a * x) / self.b
        self.learn(x, self.times, self.tokens, target, self.scale, labels)


def ways(make: Callable) -> dict:
    return {f"{'compile' if compiles else 'eager'}, {layout}": (lambda given, c=compiles, l=layout: make(given, l, c))
            for compiles in (False, True) for layout in LAYOUTS}


PREFERENCE_WORKLOADS = [
    workload("diffusion_dpo", "Diffusion-DPO update, 32 pairs", ways(diffusion_dpo)),
    workload("d3po", "D3PO update, horizon 4, 32 pairs", ways(d3po)),
]
