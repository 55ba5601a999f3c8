"""The Trainer's checkpoints: each there whole or not at all, and what a resumed run starts from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import transformers
from peft import PeftModel
from transformers.trainer import TRAINER_STATE_NAME

from ..models.adapters import checksum_of_frozen
from ..models.long_texts import save_filter
from ..run.checkpoints import RUN_FACTS, bytes_of_checkpoint, fault_of, refuse_another_run, rotate, written_whole
from ..run.errors import UserError
from ..text.streaming import StreamedChunks

STREAM_POSITION = "stream.json"


class CheckpointedTrainer(transformers.Trainer):
    """`transformers.Trainer` whose checkpoints are there whole or not at all, wherever the run is killed.

    A subclass has the attribute `stop` (`stops.StopTogether`).
    """

    def __init__(self, *args, **kwargs):
        try:
            super().__init__(*args, **kwargs)
        except (ValueError, ImportError) as error:  # arguments that do not go together
            raise UserError(" ".join(str(error).split())) from error
        self.run_dir = Path(self.args.output_dir)
        self.writing_to: Path | None = None  # while a checkpoint is written
        self.frozen_weights: dict[str, str] = {}  # a fact: a checkpoint of adapters holds none of them
        # What --auto_find_batch_size leaves as it is: it trades rows at a time for batches a step.
        self.rows_a_device_and_step = self.args.train_batch_size * self.args.gradient_accumulation_steps

    def facts(self) -> dict[str, Any]:
        """What a run that goes on from a checkpoint has in common with the one that saved it."""
        streamed = isinstance(self.train_dataset, StreamedChunks)
        return {
            **self.args.run_facts,
            **self.frozen_weights,
            "rows of a step": self.rows_a_device_and_step * self.args.world_size,
            "labels": list(self.model.config.id2label.values()),
            "training data of": f"{self.train_dataset.size} bytes" if streamed else f"{len(self.train_dataset)} rows",
        }

    def train(self, resume_from_checkpoint=None, **kwargs):
        # The other processes may have empty weights yet (FSDP), and later each has a part of them.
        if isinstance(self.model, PeftModel) and self.is_world_process_zero():
            self.frozen_weights = {"frozen weights": checksum_of_frozen(self.model)}
        if resume_from_checkpoint:
            refuse_another_run(resume_from_checkpoint, self.facts())
        if resume_from_checkpoint and isinstance(self.train_dataset, StreamedChunks):
            position = json.loads((Path(resume_from_checkpoint) / STREAM_POSITION).read_text(encoding="utf-8"))
            self.train_dataset.go_on_from(position)
            self.args.ignore_data_skip = True  # the stream begins where the checkpoint was: there is nothing to skip
        return super().train(resume_from_checkpoint=resume_from_checkpoint, **kwargs)

    def _init_training_state(self, max_steps, steps_in_epoch, epochs, resume_from_checkpoint, trial):
        position = super()._init_training_state(max_steps, steps_in_epoch, epochs, resume_from_checkpoint, trial)
        if resume_from_checkpoint and self.state.best_global_step:
            self.find_best_checkpoint(Path(resume_from_checkpoint).parent)
        return position

    def find_best_checkpoint(self, folder: Path) -> None:
        """Beside the checkpoint that the run goes on from: the state has it where it was before the run was moved."""
        best = folder / f"checkpoint-{self.state.best_global_step}"
        self.state.best_model_checkpoint = str(best)
        if fault := fault_of(best):
            if self.is_world_process_zero():
                print(
                    f"The best checkpoint so far, {best}, is lost: {fault}. The best from here on is kept", flush=True
                )
            self.state.best_model_checkpoint = self.state.best_global_step = self.state.best_metric = None

    def _run_epoch(self, *args, **kwargs):
        # Stock counts once a step is done: a run that was cut behind its last checkpoint would take one more.
        if self.state.global_step < self.state.max_steps:
            super()._run_epoch(*args, **kwargs)

    def _finalize_training(self, *args, **kwargs):
        # Of a limit of 1 stock leaves the best checkpoint alone: what SIGTERM has just saved would go.
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        output = super()._finalize_training(*args, **kwargs)
        self.args.save_total_limit = limit
        if self.args.should_save:
            rotate(self.run_dir, limit, self.state.best_model_checkpoint, goes_on=self.stop.stopping)
        return output

    def _get_output_dir(self, trial):
        return str(self.writing_to or self.run_dir)

    def _save_checkpoint(self, model, trial):
        name = f"checkpoint-{self.state.global_step}"
        needed = bytes_of_checkpoint(self.model, adapter_only=isinstance(self.model, PeftModel))
        with written_whole(self.accelerator, self.run_dir, name, needed) as self.writing_to:
            super()._save_checkpoint(model, trial)
            if self.state.best_global_step == self.state.global_step:  # the best one is this one, and will move
                self.state.best_model_checkpoint = str(self.run_dir / name)
            if self.args.should_save:
                self.complete_checkpoint(self.writing_to / name)
        self.writing_to = None
        if self.args.should_save:
            rotate(self.run_dir, self.args.save_total_limit, self.state.best_model_checkpoint, goes_on=True)

    def complete_checkpoint(self, folder: Path) -> None:
        self.state.save_to_json(str(folder / TRAINER_STATE_NAME))
        (folder / RUN_FACTS).write_text(json.dumps(self.facts(), ensure_ascii=False, indent=1), encoding="utf-8")
        if isinstance(self.train_dataset, StreamedChunks):
            position = self.train_dataset.position_after(self.state.global_step * self.train_dataset.batch_size)
            (folder / STREAM_POSITION).write_text(json.dumps(position), encoding="utf-8")

    def _save(self, output_dir=None, state_dict=None):
        super()._save(output_dir, state_dict)
        if self.args.should_save:
            folder = Path(output_dir or self.args.output_dir)
            # A pickle; README.md of the run holds the arguments as text.
            (folder / "training_args.bin").unlink(missing_ok=True)
            save_filter(self.model, folder)
            if isinstance(self.model, PeftModel):  # peft's own file has no label names
                self.model.get_base_model().config.save_pretrained(folder)

    def _issue_warnings_after_load(self, load_result):
        # Stock warns, and goes on with the weights of this moment in place of the checkpoint's.
        tied = getattr(self.model, "all_tied_weights_keys", {}).keys()
        if different := sorted({*load_result.missing_keys, *load_result.unexpected_keys} - tied):
            raise UserError(
                f"{self.run_dir}: a checkpoint's weights are not those of this model, such as {different[0]}: another "
                "version saved it; start another run in another --output_dir"
            )
