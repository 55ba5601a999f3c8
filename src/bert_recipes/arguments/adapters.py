"""Arguments of low-rank adapters."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..run.errors import UserError

LORA_LEARNING_RATE = 3e-4  # at 768 wide: a low-rank update wants about ten times the rate of the full one


@dataclass
class AdapterArguments:
    lora_r: int = field(default=8, metadata={"help": "rank of each adapter"})
    lora_alpha: int = field(default=16, metadata={"help": "the update is scaled by lora_alpha / lora_r"})
    lora_dropout: float = field(default=0.0, metadata={"help": "dropout in front of each adapter"})
    lora_target_modules: str | None = field(
        default=None, metadata={"help": "such as query,value or all-linear; left out, peft's choice for the model"}
    )
    use_rslora: bool = field(default=False, metadata={"help": "scale by alpha / sqrt(r) (arXiv 2312.03732)"})
    use_dora: bool = field(default=False, metadata={"help": "split magnitude and direction (arXiv 2402.09353)"})
    merge: bool = field(default=True, metadata={"help": "save the merged model too, beside adapter/"})

    def __post_init__(self):
        super().__post_init__()
        if self.lora_r < 1:
            raise UserError(f"--lora_r {self.lora_r}: must be 1 or more")
        if not 0 <= self.lora_dropout < 1:
            raise UserError(f"--lora_dropout {self.lora_dropout}: must be 0 or more, and below 1")
