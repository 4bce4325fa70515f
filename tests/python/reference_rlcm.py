# SPDX-License-Identifier: Apache-2.0
"""The clipped surrogate of affine-Gaussian transitions and its gradient, computed by PyTorch in float64.

Transitions are x' ~ N(a x + b o, sigma^2 I), one a row; o is the network's output. The log-probability of a row is the
mean or the sum over its D elements; the loss is the mean over rows of max(-A r, -A clip(r, 1 - c, 1 + c)) with
r = exp(log_prob - old_log_prob).
"""

import math

import torch

from reference_io import draws, output_path, save

DRAWS = draws(seed=20240405)
DIMENSIONS = 48
CLIPS = {"clip_1e-4": 1e-4, "clip_0.2": 0.2}

# Chosen log ratios: inside both clips, between them, outside both, on either side; each with advantages of both signs.
LOG_RATIOS = [0.0, 5e-5, -5e-5, 3e-4, -3e-4, 0.1, -0.1, 0.5, -0.5, 1.5, -1.5]


def log_probability(x, next_x, o, a, b, sigma, reduction) -> torch.Tensor:
    mean = a[:, None] * x + b[:, None] * o
    density = torch.distributions.Normal(mean, sigma[:, None]).log_prob(next_x)
    return getattr(density, reduction)(dim=1)


def gradient(value: torch.Tensor, o: torch.Tensor) -> torch.Tensor:
    return torch.autograd.grad(value, o, retain_graph=True)[0]


def main() -> None:
    path = output_path(__doc__.splitlines()[0], "rlcm_loss.safetensors")
    rows = 2 * len(LOG_RATIOS)
    x, noise = DRAWS.normal("x", rows, DIMENSIONS), DRAWS.normal("noise", rows, DIMENSIONS)
    o, o_ref = DRAWS.normal("o", rows, DIMENSIONS), DRAWS.normal("o_ref", rows, DIMENSIONS)
    a = DRAWS.normal("a", rows, scale=0.3, shift=0.7)
    b = DRAWS.normal("b", rows, scale=0.5)
    sigma = DRAWS.normal("sigma", rows, scale=0.6).exp().float().double()
    next_x = (a[:, None] * x + b[:, None] * o + sigma[:, None] * noise).float().double()
    advantages = DRAWS.normal("advantages", rows).abs() + 0.1
    advantages = torch.where(torch.arange(rows) < len(LOG_RATIOS), advantages, -advantages).float().double()

    o.requires_grad_()
    tensors = {"x": x, "next_x": next_x, "o": o, "o_ref": o_ref, "a": a, "b": b, "sigma": sigma,
               "advantages": advantages}
    for reduction in ("mean", "sum"):
        log_prob = log_probability(x, next_x, o, a, b, sigma, reduction)
        old = (log_prob.detach() - torch.tensor(2 * LOG_RATIOS, dtype=torch.float64)).float().double()
        ratio = (log_prob - old).exp()
        result = {"log_prob": log_prob, "old_log_prob": old, "ratio": ratio,
                  "grad.log_prob": gradient(log_prob.sum(), o),
                  "approximate_kl": 0.5 * (log_prob - old).square().mean()}
        for name, clip in CLIPS.items():
            clipped = ratio.clamp(1 - clip, 1 + clip)
            loss = torch.max(-advantages * ratio, -advantages * clipped).mean()
            result |= {f"{name}.loss": loss, f"{name}.grad.o": gradient(loss, o),
                       f"{name}.clip_fraction": ((ratio - 1).abs() > clip).double().mean()}

        scale = (b.square() / (2 * sigma.square()))[:, None]
        kl = getattr(scale * (o - o_ref).square(), reduction)(dim=1)
        exact = torch.distributions.kl_divergence(
            torch.distributions.Normal(b[:, None] * o, sigma[:, None]),
            torch.distributions.Normal(b[:, None] * o_ref, sigma[:, None]))
        assert torch.allclose(kl, getattr(exact, reduction)(dim=1), rtol=1e-12)
        result |= {"kl": kl, "kl.loss": kl.mean(), "kl.grad.o": gradient(kl.mean(), o)}
        tensors |= {f"{reduction}.{name}": value for name, value in result.items()}

        by_hand = (b / sigma.square())[:, None] * (next_x - a[:, None] * x - b[:, None] * o)
        by_hand = by_hand / (DIMENSIONS if reduction == "mean" else 1)
        assert torch.allclose(result["grad.log_prob"], by_hand, rtol=1e-12, atol=1e-14)
        assert math.isfinite(result["kl.loss"].item())
    save(path, tensors, f"reference_rlcm.py, PyTorch {torch.__version__}, float64")


if __name__ == "__main__":
    main()
