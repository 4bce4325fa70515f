# SPDX-License-Identifier: Apache-2.0
"""Adapters that fewstep wrote give the same outputs in PEFT, and those that PEFT trained the same in fewstep."""

import subprocess
import sys
import tempfile
from pathlib import Path

import peft
import torch

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "examples" / "pytorch"))
import text_unet  # noqa: E402
from weights_file import load_file, load_metadata, save_file  # noqa: E402

PROGRAM = sys.argv[1]
BOUND = 1e-5
PREFIX = "base_model.model."


def outputs(model: torch.nn.Module, case: dict) -> torch.Tensor:
    """o in double precision, channels-last."""
    x, t, tokens = case["x"].double().permute(0, 3, 1, 2), case["t"].double(), case["tokens"].long()
    with torch.no_grad():
        return model.double()(x, t, tokens).permute(0, 2, 3, 1).float()


def is_adapter(name: str) -> bool:
    return ".lora_A." in name or ".lora_B." in name


with tempfile.TemporaryDirectory() as folder:
    file, case_file, back, back_case = (Path(folder) / name for name in ("model", "case", "back", "back_case"))
    subprocess.run([PROGRAM, "write", "lora", file, case_file], check=True)
    case, tensors, network = load_file(case_file), load_file(file), text_unet.load(file)
    rank, alpha = network.lora["rank"], network.lora["alpha"]

    base = text_unet.text_unet(network.vocabulary, tensors["time.frequencies"], **network.options)
    base.load_state_dict({name: value for name, value in tensors.items() if not is_adapter(name)})
    targets = [name for name, layer in base.named_modules() if text_unet.is_adaptable(layer)]
    model = peft.get_peft_model(base, peft.LoraConfig(r=rank, lora_alpha=alpha, target_modules=targets))
    expected_names = set(peft.get_peft_model_state_dict(model))
    adapters = {PREFIX + name: value for name, value in tensors.items() if is_adapter(name)}
    assert set(adapters) == expected_names, set(adapters) ^ expected_names
    for name, value in peft.get_peft_model_state_dict(model).items():
        assert value.shape == adapters[name].shape, f"{name}: PEFT has {value.shape}, fewstep {adapters[name].shape}"
    peft.set_peft_model_state_dict(model, adapters)
    difference = ((outputs(model, case) - case["o"]).norm() / case["o"].norm()).item()
    print(f"  PEFT with fewstep's {len(adapters)} adapters: o differs by {difference:.1e}", flush=True)
    assert difference < BOUND

    torch.manual_seed(1)
    model = model.float()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if is_adapter(name):
                parameter *= 1 + 0.2 * torch.randn_like(parameter)
    trained = {name[len(PREFIX):]: value.contiguous() for name, value in peft.get_peft_model_state_dict(model).items()}
    save_file(tensors | trained, back, load_metadata(file))
    changed = case | {"o": outputs(model, case)}
    assert not torch.allclose(changed["o"], case["o"], rtol=1e-2), "the change of the adapters changed nothing"
    save_file(changed, back_case)
    subprocess.run([PROGRAM, "compare", back, back_case], check=True)
