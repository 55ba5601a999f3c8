"""Arguments by the names that they had, in earlier transformers or in its example scripts, and what they are today."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# Of transformers.TrainingArguments, up to version 4.
FORMER_NAMES = {
    "overwrite_output_dir": "--overwrite",
    "evaluation_strategy": "--eval_strategy",
    "evaluate_during_training": "--eval_strategy steps",
    "group_by_length": "--train_sampling_strategy group_by_length, which is the default",
    "no_cuda": "--use_cpu",
    "use_mps_device": "left out: MPS is used where it is there",
    "warmup_ratio": "--warmup_steps, below 1 a share of all steps",
    "per_gpu_train_batch_size": "--per_device_train_batch_size",
    "per_gpu_eval_batch_size": "--per_device_eval_batch_size",
    "adafactor": "--optim adafactor",
    "sharded_ddp": "--fsdp, or recipes/accelerate/fsdp2.yaml",
    "fsdp_min_num_params": "a key of --fsdp_config",
    "fsdp_transformer_layer_cls_to_wrap": "a key of --fsdp_config, or of recipes/accelerate/fsdp2.yaml",
    "half_precision_backend": "--bf16 or --fp16",
    "fp16_backend": "--bf16 or --fp16",
    "fp16_opt_level": "--bf16 or --fp16",
    "torchdynamo": "--torch_compile",
    "jit_mode_eval": "--torch_compile",
    "use_ipex": "--bf16",
    "save_safetensors": "left out: nothing else is saved",
    "logging_dir": "the environment variable TENSORBOARD_LOGGING_DIR",
    "include_inputs_for_metrics": "--include_for_metrics inputs",
    "include_tokens_per_second": "--include_num_input_tokens_seen",
    "dispatch_batches": "a key of --accelerator_config",
    "split_batches": "a key of --accelerator_config",
    "push_to_hub_model_id": "--hub_model_id",
    "push_to_hub_organization": "--hub_model_id ORGANISATION/NAME",
    "push_to_hub_token": "--hub_token",
    "past_index": "left out: no encoder has a past",
    "predict_with_generate": "left out: no encoder generates",
    "tpu_num_cores": "a key of accelerate's config file",
    # Of run_mlm.py, run_glue.py and run_classification.py.
    "model_name": "--model_name_or_path",
    "config_name": "--model_name_or_path, and --from_scratch for random weights",
    "config_overrides": "a config.json of your own with --from_scratch",
    "tokenizer_name": "--model_name_or_path: the tokenizer comes with the model",
    "use_fast_tokenizer": "left out: the fast one is used where there is one",
    "model_revision": "--revision",
    "use_auth_token": "--hub_token, or hf auth login",
    "token": "--hub_token, or hf auth login",
    "cache_dir": "the environment variable HF_HOME",
    "torch_dtype": "--precision",
    "dtype": "--precision",
    "low_cpu_mem_usage": "left out",
    "task_name": "--dataset_name with --text_columns and --label_column",
    "do_regression": "--problem_type regression",
    "text_column_name": "--text_columns",
    "text_column_names": "--text_columns",
    "column_name": "--text_columns",
    "label_column_name": "--label_column",
    "max_seq_length": "--max_length, or in pretraining --chunk_length",
    "max_seq_len": "--max_length, or in pretraining --chunk_length",
    "block_size": "--chunk_length",
    "line_by_line": "left out: documents stay apart",
    "pad_to_max_length": "left out: batches are padded to their longest row",
    "validation_split_percentage": "left out: a tenth is held out, or name a --validation_file",
    "preprocessing_num_workers": "left out: every core is used",
    "overwrite_cache": "left out: the cache knows when a file has changed",
    "max_val_samples": "--max_eval_samples",
    "max_predict_samples": "--max_test_samples",
    "max_steps_per_epoch": "--max_steps",
    "epochs": "--num_train_epochs",
    "num_epochs": "--num_train_epochs",
    "lr": "--learning_rate",
    "batch_size": "--per_device_train_batch_size",
    "train_batch_size": "--per_device_train_batch_size",
    "eval_batch_size": "--per_device_eval_batch_size",
}


def unknown_name(name: str, known: Iterable[str], kind: str) -> str:
    """What to say of an argument that there is not: what it is called today, or the nearest that there is."""
    today, nearest = FORMER_NAMES.get(name.lstrip("-").replace("-", "_")), difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else "--help lists them all"
    hint = f"today it is {today}" if today else hint
    return f"unknown {kind} {name.removeprefix('--') if kind == 'key' else name}: {hint}"
