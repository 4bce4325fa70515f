# SPDX-License-Identifier: Apache-2.0
"""Twenty steps of PyTorch's optimizers in float64, with norm clipping and a linearly decaying learning rate."""

import torch

from reference_io import draws, output_path, save

DRAWS = draws(seed=20240406)
STEPS, COUNT, MAX_NORM = 20, 37, 1.0
EMA_DECAYS = {"ema_0.999": 0.999, "ema_0.9": 0.9}

OPTIMIZERS = {
    "sgd": (torch.optim.SGD, {"lr": 0.1}),
    "sgd_momentum_0.9": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    "adam": (torch.optim.Adam, {"lr": 0.01, "betas": (0.9, 0.999)}),
    "adam_0.9_0.99": (torch.optim.Adam, {"lr": 0.01, "betas": (0.9, 0.99)}),
    "adamw": (torch.optim.AdamW, {"lr": 0.01, "betas": (0.9, 0.999), "weight_decay": 0.01}),
}


def main() -> None:
    path = output_path(__doc__.splitlines()[0], "optimizers.safetensors")
    initial = DRAWS.normal("initial", COUNT)
    # Norms from 0.17 to 12, so that some steps are clipped and some are not; some entries are zero.
    order = torch.from_numpy(DRAWS.generator("order").permutation(STEPS))
    size = torch.logspace(-1.5, 0.3, STEPS, dtype=torch.float64)[order, None]
    gradients = (DRAWS.normal("gradients", STEPS, COUNT) * size).float().double()
    gradients[:, 5] = 0
    gradients[:10, 6] = 0
    tensors = {"initial": initial, "gradients": gradients}

    for name, (kind, settings) in OPTIMIZERS.items():
        parameter = torch.nn.Parameter(initial.clone())
        optimizer = kind([parameter], **settings)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / STEPS)
        averages = {ema: initial.clone() for ema in EMA_DECAYS}
        parameters, norms, rates = [], [], []
        tracks = {ema: [] for ema in EMA_DECAYS}
        for gradient in gradients:
            parameter.grad = gradient.clone()
            norms.append(torch.nn.utils.clip_grad_norm_([parameter], MAX_NORM))
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
            parameters.append(parameter.detach().clone())
            for ema, decay in EMA_DECAYS.items():
                averages[ema] = decay * averages[ema] + (1 - decay) * parameters[-1]
                tracks[ema].append(averages[ema])
        tensors[f"{name}.parameters"] = torch.stack(parameters)
        tensors[f"{name}.learning_rate"] = torch.tensor(rates, dtype=torch.float64)
        tensors["gradient_norm"] = torch.stack(norms)
        if name == "adam":
            tensors |= {f"adam.{ema}": torch.stack(track) for ema, track in tracks.items()}
    clipped = (tensors["gradient_norm"] > MAX_NORM).sum().item()
    assert 0 < clipped < STEPS
    save(path, tensors, f"reference_optimizers.py, PyTorch {torch.__version__}, float64")


if __name__ == "__main__":
    main()
