import os
import re

import pytest
import torch
from transformers.integrations.deepspeed import unset_hf_deepspeed_config

from bert_recipes.arguments.classifier import FinetuneArguments, LoraArguments
from bert_recipes.arguments.data import DataArguments, LabelledDataArguments
from bert_recipes.arguments.former_names import FORMER_NAMES
from bert_recipes.arguments.mlm import MlmArguments
from bert_recipes.arguments.model import ModelArguments
from bert_recipes.arguments.parse import parse
from bert_recipes.arguments.parser import RecipeParser
from bert_recipes.arguments.predict import PredictArguments
from bert_recipes.run.errors import UserError
from bert_recipes.run.launch import refuse_separate_runs

GROUPS = (ModelArguments, LabelledDataArguments, FinetuneArguments)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ACCELERATE_MIXED_PRECISION", raising=False)


@pytest.fixture(autouse=True)
def no_deepspeed_config_is_left():
    """transformers keeps the config of the process's last TrainingArguments until it is collected, half made or not."""
    yield
    unset_hf_deepspeed_config()


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_the_command_line_wins_over_the_file_and_the_file_over_the_default(tmp_path):
    config = write(tmp_path / "a.yaml", "learning_rate: 2e-5\nseed: 7\nmax_length: 64\n")
    _, data_args, args = parse(*GROUPS, argv=["--config", config, "--seed", "8"])
    assert (args.learning_rate, args.seed, data_args.max_length) == (2e-5, 8, 64)
    assert args.per_device_train_batch_size == FinetuneArguments.per_device_train_batch_size
    assert parse(*GROUPS, argv=["--seed", "8", f"--config={config}"])[2].seed == 8


def test_yaml_values_are_typed_by_their_field(tmp_path):
    text = "bf16: false\nwarmup_steps: 0.1\nnum_train_epochs: 3\nrun_name: 12\n"
    text += "lr_scheduler_type: cosine\nlr_scheduler_kwargs: {num_cycles: 2}\n"
    args = parse(*GROUPS, argv=["--config", write(tmp_path / "a.yaml", text)])[2]
    assert args.bf16 is False and args.warmup_steps == 0.1 and isinstance(args.num_train_epochs, float)
    assert args.lr_scheduler_kwargs == {"num_cycles": 2} and args.run_name == "12"


def test_what_was_given_is_kept_for_the_card(tmp_path):
    config = write(tmp_path / "a.yaml", "seed: 7\n")
    model_args, data_args, args = parse(*GROUPS, argv=["--config", config, "--text_columns", "a,b"])
    assert (model_args.given, data_args.given, args.given) == ({}, {"text_columns": "a,b"}, {"seed": 7})


@pytest.mark.parametrize(
    "argv, message",
    [
        (["--learning_rat", "1"], "unknown argument --learning_rat: did you mean --learning_rate?"),
        (["--learning_rate", "fast"], "--learning_rate: invalid float value: 'fast'"),
        (["--config", "none.yaml"], "--config none.yaml: No such file"),
        (["--config", "typo.yaml"], "unknown key lerning_rate: did you mean --learning_rate?"),
        (["--config", "list.yaml"], "expected flat keys"),
        (["--config", "broken.yaml"], "broken.yaml is not YAML"),
        (["--config", "value.yaml"], "--seed: invalid int value: 'many'"),
        (["--fp16"], "fp16 needs a GPU"),
        (["--bf16", "--precision", "fp32"], "bf16 and as fp32"),
        (["--eval_strategy", "sometimes"], "sometimes is not a valid"),
        (["--train_file", "a.csv", "--dataset_name", "reviews"], "both given"),
        (["--test_file", "a.csv"], "--test_file needs a --train_file"),
        (["--text_columns", "a,b,c"], "name one column, or two"),
        (["--text_columns", "text,text"], "name one column, or two"),
        (["--max_train_samples", "0"], "--max_train_samples 0: must be 1 or more"),
        (["--learning_rate", "-1"], "--learning_rate -1.0: must be above 0"),
        (["--per_device_train_batch_size", "0"], "--per_device_train_batch_size 0: must be 1 or more"),
        (["--train_sampling_strategy", "grouped"], "--train_sampling_strategy: invalid choice: 'grouped'"),
        (["--overwrite", "--resume_from_checkpoint", "auto"], "keep one of them"),
        (["--report_to", "wandb"], "--report_to wandb: it is not installed"),
        (["--max_length", "2"], "--max_length 2: must be 8 or more"),
        (["--num_train_epochs", "0"], "--num_train_epochs 0.0: must be above 0"),
        (["--metric_for_best_model", "f1"], "--metric_for_best_model: invalid choice: 'f1'"),
        (["--early_stopping_patience", "2", "--eval_strategy", "no"], "needs evaluations"),
        (["--output_dir", "typo.yaml/run"], "nothing can be written to"),
    ],
)
def test_mistakes_are_one_line(tmp_path, argv, message):
    write(tmp_path / "typo.yaml", "lerning_rate: 1\n")
    write(tmp_path / "list.yaml", "- 1\n")
    write(tmp_path / "broken.yaml", "a: [1\n")
    write(tmp_path / "value.yaml", "seed: many\n")
    with pytest.raises(UserError) as error:
        parse(*GROUPS, argv=argv)
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("word", ["--mlm_probability=0", "--mlm_probability=1", "--dropout=1", "--vocab_size=10"])
def test_mistakes_of_pretraining(word):
    with pytest.raises(UserError, match=word.split("=")[0]):
        parse(ModelArguments, DataArguments, MlmArguments, argv=[word])


@pytest.mark.parametrize(
    "argv, message",
    [
        ([], "--input_file is missing"),
        (["--input_file", "a.csv"], "--output_file is missing"),
        (["--input_file", "a.csv", "--output_file", "b.xlsx"], "must end in .csv"),
        (["--input_file", "a.csv", "--output_file", "there.csv"], "exists: name another"),
    ],
)
def test_mistakes_of_predict(tmp_path, argv, message):
    write(tmp_path / "there.csv", "text\n")
    with pytest.raises(UserError, match=message):
        parse(PredictArguments, argv=argv)


def test_help_has_a_line_for_each_argument_in_groups():
    text = RecipeParser((ModelArguments, LabelledDataArguments, LoraArguments)).format_help()
    flowing = " ".join(text.split())
    for line in ("--lora_r int rank", "--precision fp32,bf16,fp16 else", "(--no_baseline turns it off)"):
        assert line in flowing
    groups = ("model:", "data:", "recipe:", "everything else of transformers.TrainingArguments:")
    assert [line for line in text.splitlines() if line in groups] == list(groups)
    assert "--learning-rate" not in text and "default: None" not in text


def test_a_default_output_dir_steps_aside_and_a_named_one_does_not(tmp_path):
    def output_dir(*argv):
        return parse(*GROUPS, argv=list(argv))[2].output_dir

    assert output_dir() == "outputs/finetune"
    for name in ("finetune", "finetune-2"):
        (tmp_path / "outputs" / name).mkdir(parents=True)
        write(tmp_path / "outputs" / name / "all_results.json", "{}")
    assert output_dir() == "outputs/finetune-3"
    assert output_dir("--overwrite") == "outputs/finetune-2"
    for argv in ([], ["--resume_from_checkpoint", "outputs/x/checkpoint-2"]):
        with pytest.raises(UserError, match="holds an earlier run"):
            output_dir("--output_dir", "outputs/finetune", *argv)
    with pytest.raises(UserError, match="--resume_from_checkpoint outputs/x/checkpoint-2: no whole checkpoint"):
        output_dir("--resume_from_checkpoint", "outputs/x/checkpoint-2")
    with pytest.raises(UserError, match="--output_dir outputs/finetune holds an earlier run"):
        output_dir("--resume_from_checkpoint", "outputs/finetune/checkpoint-2")
    assert output_dir("--output_dir", "outputs/finetune", "--overwrite") == "outputs/finetune"


def test_resuming_a_finished_run_says_so_and_ends_well(tmp_path, capsys):
    (tmp_path / "done").mkdir()
    write(tmp_path / "done" / "all_results.json", "{}")
    with pytest.raises(SystemExit) as end:
        parse(*GROUPS, argv=["--output_dir", "done", "--resume_from_checkpoint", "auto"])
    assert end.value.code == 0 and "finished run" in capsys.readouterr().out


@pytest.mark.parametrize(
    "argv, launched, expected",
    [
        ([], "no", "no"),  # a CPU without products in bf16, as conftest.py has it: fp32
        ([], "bf16", "bf16"),
        (["--bf16"], "no", "bf16"),
        (["--precision", "bf16"], "no", "bf16"),
        (["--precision", "fp32"], "bf16", "no"),
    ],
)
def test_precision_is_the_flags_then_the_launchs_then_the_devices(monkeypatch, argv, launched, expected):
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", launched)
    args = parse(*GROUPS, argv=["--use_cpu", *argv])[2]
    assert args.mixed_precision == expected and args.bf16 == (expected == "bf16") and not args.fp16


def test_a_bare_accelerate_launch_uses_every_core(monkeypatch):
    cores, before = len(os.sched_getaffinity(0)), torch.get_num_threads()
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")  # what accelerate exports when nothing was said,
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # and with it
    torch.set_num_threads(1)
    try:
        parse(*GROUPS, argv=["--use_cpu"])
        assert torch.get_num_threads() == cores
        monkeypatch.setenv("LOCAL_WORLD_SIZE", str(cores))
        parse(*GROUPS, argv=["--use_cpu"])
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_processes_that_would_train_apart_are_stopped(monkeypatch):
    args = type("Arguments", (), {"world_size": 1})()
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")  # srun, without a launcher
    with pytest.raises(UserError, match=r"2 processes were launched, .* have srun start accelerate launch"):
        refuse_separate_runs(args)
    monkeypatch.setenv("WORLD_SIZE", "1")
    refuse_separate_runs(args)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="2 processes were launched, but they train as 1: on CPUs add --use_cpu"):
        refuse_separate_runs(args)
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(UserError, match="WORLD_SIZE and RANK are set, and no MASTER_ADDR"):
        FinetuneArguments(output_dir="x", use_cpu=True)
    monkeypatch.setenv("WORLD_SIZE", "")
    with pytest.raises(UserError, match="WORLD_SIZE is '' in the environment, and must be a number"):
        refuse_separate_runs(args)


@pytest.mark.parametrize("name", ["README.md", "model.safetensors", "figures"])
def test_what_no_run_has_written_is_not_written_over(tmp_path, name):
    (tmp_path / "mine").mkdir()
    write(tmp_path / "mine" / name, "mine")
    with pytest.raises(UserError, match=f"--output_dir mine has a {name} that no run has left there"):
        parse(*GROUPS, argv=["--output_dir", "mine"])
    assert parse(*GROUPS, argv=["--output_dir", "mine", "--overwrite"])[2].output_dir == "mine"
    (tmp_path / "outputs").mkdir()
    (tmp_path / "mine").rename(tmp_path / "outputs" / "finetune")
    assert parse(*GROUPS, argv=[])[2].output_dir == "outputs/finetune-2"
    (tmp_path / "outputs" / "finetune").rename(tmp_path / "outputs" / "finetune-2")
    (tmp_path / "outputs" / "finetune").mkdir()
    write(tmp_path / "outputs" / "finetune" / "all_results.json", "{}")
    assert parse(*GROUPS, argv=[])[2].output_dir == "outputs/finetune-3"
    assert parse(*GROUPS, argv=["--overwrite"])[2].output_dir == "outputs/finetune"


@pytest.mark.parametrize(
    "argv, message",
    [
        (["--output_dir", ""], "--output_dir is empty"),
        (["--output_dir", "dangling"], "--output_dir dangling: nothing can be written to dangling"),
        (["--prediction_loss_only", "true"], "--prediction_loss_only leaves out the scores"),
        (["--do_train", "false", "--resume_from_checkpoint", "auto"], "--do_train false leaves it out"),
    ],
)
def test_a_place_a_checkpoint_or_a_report_that_can_not_be(tmp_path, argv, message):
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match=message):
        parse(*GROUPS, argv=argv)


def test_a_list_is_not_taken_for_one_value(tmp_path):
    write(tmp_path / "run.yaml", "output_dir: [../x]\n")
    with pytest.raises(UserError, match=r"--config run\.yaml: output_dir takes one value"):
        parse(*GROUPS, argv=["--config", "run.yaml"])
    write(tmp_path / "run.yaml", "resume_from_checkpoint: ../x/checkpoint-2\n")
    with pytest.raises(UserError, match=r"resume_from_checkpoint \.\./x/checkpoint-2 leads out of this folder"):
        parse(*GROUPS, argv=["--config", "run.yaml"])


@pytest.mark.parametrize("value", ["../elsewhere", "outputs/../../elsewhere", "~/runs"])
def test_a_config_file_does_not_write_out_of_the_folder_by_accident(tmp_path, monkeypatch, value):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.yaml").write_text(f"output_dir: {value}\n")
    with pytest.raises(UserError, match=f"--config run.yaml: output_dir {value} leads out of this folder"):
        parse(FinetuneArguments, argv=["--config", "run.yaml"])
    (tmp_path / "run.yaml").write_text(f"output_dir: {tmp_path / 'given'}\n")
    assert parse(FinetuneArguments, argv=["--config", "run.yaml"])[0].output_dir == str(tmp_path / "given")


def test_what_was_typed_is_known_even_where_it_is_the_default():
    data_args, args = parse(LabelledDataArguments, FinetuneArguments, argv=["--max_length", "256", "--no_baseline"])
    assert data_args.given == {"max_length": 256} and args.given == {"baseline": False}


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--optim", "adamw_8bit"], "--optim adamw_8bit: You need to install `bitsandbytes`"),
        (["--optim", "galore_adamw"], "--optim galore_adamw: You need to install `galore_torch`"),
        (["--use_liger_kernel", "true"], "--use_liger_kernel needs a package that is not installed"),
        (
            ["--lr_scheduler_type", "warmup_stable_decay"],
            "argument: 'num_decay_steps'; give it as in --lr",
        ),
        (["--lr_scheduler_type", "cosine_with_min_lr"], "--lr_scheduler_type cosine_with_min_lr: One of min_lr"),
        (["--lr_scheduler_type", "linear", "--lr_scheduler_kwargs", '{"a": 1}'], "--lr_scheduler_kwargs {'a': 1}"),
        (["--eval_do_concat_batches", "false"], "--eval_do_concat_batches false: scores are those of all batches"),
        (["--greater_is_better", "true", "--metric_for_best_model", "loss"], "the checkpoint with the highest loss"),
        (["--torch_compile_mode", "fastest"], "--torch_compile_mode fastest: Unrecognized mode"),
        (["--torch_compile_backend", "ofi"], "--torch_compile_backend ofi: "),
        (["--accelerator_config", '{"dispatch_batches": true}'], "--accelerator_config dispatch_batches: "),
        (["--adam_beta1", "2"], "Invalid beta parameter"),
        (["--max_grad_norm", "-1"], "--max_grad_norm -1.0: must be 0 or more"),
        (["--label_smoothing_factor", "2"], "--label_smoothing_factor 2.0: must be below 1"),
        (["--dataloader_num_workers", "-1"], "--dataloader_num_workers -1: must be 0 or more"),
        (["--deepspeed", "zero2.json"], "deepspeed"),
    ],
)
def test_what_training_would_stumble_over_is_told_before(argv, message):
    with pytest.raises(UserError) as error:
        parse(*GROUPS, argv=argv)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_the_same_arguments_train_where_nothing_is_missing():
    schedule = ["--lr_scheduler_type", "warmup_stable_decay", "--lr_scheduler_kwargs", '{"num_decay_steps": 3}']
    assert parse(*GROUPS, argv=[*schedule, "--optim", "adafactor"])[2].optim == "adafactor"


def test_a_former_name_is_told_what_it_is_today():
    known = {**RecipeParser(GROUPS)._option_string_actions, **RecipeParser([MlmArguments])._option_string_actions}
    for former, today in FORMER_NAMES.items():
        assert f"--{former}" not in known, former
        named = re.findall("--[a-z0-9_]+", today)
        assert named or "left out" in today or re.search("variable|key|config", today), today
        assert all(name in known for name in named), today
    for argv in (["--overwrite_output_dir", "true"], ["--evaluation-strategy=epoch"], ["--no_cuda"]):
        with pytest.raises(UserError, match=r"today it is --(overwrite|eval_strategy|use_cpu)$"):
            parse(*GROUPS, argv=argv)


def test_predict_takes_the_names_of_training_arguments(tmp_path):
    argv = ["--input_file", "a.csv", "--output_file", "b.csv", "--disable_tqdm", "true", "--bf16", "--use_cpu"]
    args = parse(PredictArguments, argv=argv)[0].for_trainer()
    assert (args.disable_tqdm, args.bf16, args.use_cpu, args.do_train) == (True, True, True, False)


def test_the_names_of_the_classes_belong_to_a_run(tmp_path):
    argv = ["--train_file", "a.csv", "--label_names", "a,b", "--output_dir", str(tmp_path / "run")]
    _, data_args, training_args = parse(ModelArguments, LabelledDataArguments, FinetuneArguments, argv=argv)
    assert data_args.label_names == training_args.run_facts["label_names"] == "a,b"
    assert training_args.label_names is None, "what a Trainer calls so is another thing"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--problem_type", "regression", "--label_names", "a,b"], "--label_names is for classes"),
        (["--label_column", "a,b", "--label_names", "c,d"], "several label columns have the columns' names"),
        (["--label_column", "a，b", "--label_names_file", "c.txt"], "--label_names_file: the classes of several"),
    ],
)
def test_names_of_classes_that_mean_nothing_are_refused(argv, message):
    with pytest.raises(UserError, match=message):
        parse(*GROUPS, argv=["--train_file", "a.csv", *argv])


def test_names_in_a_list_and_with_chinese_commas(tmp_path):
    config = write(tmp_path / "a.yaml", "text_columns: [title, text]\nlabel_names: [正面, 负面]\n")
    data_args = parse(*GROUPS, argv=["--config", config])[1]
    assert data_args.text_column_names == ["title", "text"] and data_args.label_names == "正面,负面"
    assert parse(*GROUPS, argv=["--text_columns", "标题，正文"])[1].text_column_names == ["标题", "正文"]


def test_what_the_labels_are_decides_which_scores_there_are():
    for score, regression in (("pearson", False), ("accuracy", True)):
        args = parse(*GROUPS, argv=["--metric_for_best_model", score])[2]
        with pytest.raises(UserError, match=f"--metric_for_best_model {score}"):
            args.suit(regression)
    args = parse(*GROUPS, argv=["--label_smoothing_factor", "0.1"])[2]
    with pytest.raises(UserError, match="--label_smoothing_factor is for classes"):
        args.suit(regression=True)
    with pytest.raises(UserError, match="--lora_r 0: must be 1 or more"):
        parse(ModelArguments, LabelledDataArguments, LoraArguments, argv=["--lora_r", "0"])


def test_an_output_file_under_a_file(tmp_path):
    write(tmp_path / "a.csv", "text\n")
    with pytest.raises(UserError, match=r"--output_file a.csv/b.csv: nothing can be written to a.csv"):
        parse(PredictArguments, argv=["--input_file", "a.csv", "--output_file", "a.csv/b.csv"])
