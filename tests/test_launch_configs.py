"""Every file of recipes/accelerate is one that accelerate takes, and means what its name says; those for CPUs start."""

import re
import shlex
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils import DeepSpeedPlugin, DistributedType, FullyShardedDataParallelPlugin
from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env
from accelerate.utils.other import get_free_port
from conftest import ROOT, execute, launched_words, short
from transformers import AutoModel

from bert_recipes.arguments.classifier import FinetuneArguments, LoraArguments
from bert_recipes.arguments.data import LabelledDataArguments
from bert_recipes.arguments.model import ModelArguments
from bert_recipes.arguments.parser import RecipeParser

FOLDER = "recipes/accelerate"
# distributed type, machines, processes of all machines together
EXPECTED = {
    "cpu_1": (DistributedType.NO, 1, 1),
    "cpu_2": (DistributedType.MULTI_GPU, 1, 2),
    "gpu_1": (DistributedType.NO, 1, 1),
    "ddp": (DistributedType.MULTI_GPU, 1, 4),
    "multi_node": (DistributedType.MULTI_GPU, 2, 8),
    "multi_node_cpu": (DistributedType.MULTI_GPU, 2, 2),
    "fsdp2": (DistributedType.FSDP, 1, 4),
    "deepspeed_zero2": (DistributedType.DEEPSPEED, 1, 4),
}
# What each type has accelerate choose its launcher by; none: a single process.
LAUNCHERS = {DistributedType.MULTI_GPU: "multi_gpu", DistributedType.FSDP: "use_fsdp"}
LAUNCHERS |= {DistributedType.DEEPSPEED: "use_deepspeed"}
PAGES = ["docs/launching.md", "docs/launching.zh-CN.md"]


def launch_arguments(*words: str):
    """What `accelerate launch` makes of its command line and the file that it names."""
    return _validate_launch_command(launch_command_parser().parse_args(words))[0]


def arguments_of(command: str):
    """The same for a command of a page or of a file's head; `make` is asked what it would run."""
    words = shlex.split(command)
    if words[0] == "make":
        planned = execute("make", "-n", *words[1:], MAKEFLAGS="", ARGS="", LAUNCH="")
        (words,) = [shlex.split(line) for line in planned.stdout.splitlines() if "recipes/" in line]
    return launch_arguments(*launched_words(words))


def head_of(name: str) -> list[str]:
    text = (ROOT / FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    return re.findall(r"^#     (.+)$", text, re.M)


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_every_file_is_expected_and_named():
    assert {path.stem for path in (ROOT / FOLDER).iterdir()} == set(EXPECTED)
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        assert [name for name in EXPECTED if f"{name}.yaml" not in text] == [], page


@pytest.mark.parametrize("name", EXPECTED)
def test_accelerate_takes_every_key(name):
    """An unknown key is an error of accelerate's own at the top level, and is dropped in silence below it; some known
    ones (`same_network`, `rdzv_backend`) never get past the command line's defaults."""
    file = f"{FOLDER}/{name}.yaml"
    config, args = load_config_from_file(file), launch_arguments("--config_file", file, "recipes/finetune.py")
    kind, machines, processes = EXPECTED[name]
    assert (config.distributed_type, args.num_machines, args.num_processes) == (kind, machines, processes)
    assert [flag for flag in LAUNCHERS.values() if getattr(args, flag)] == [*filter(None, [LAUNCHERS.get(kind)])]
    keys = yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))
    keys = {key: value for key, value in keys.items() if key not in ("compute_environment", "distributed_type")}
    for section in ("fsdp_config", "deepspeed_config"):
        keys |= keys.pop(section, {})
    known = vars(launch_command_parser().parse_args(["recipes/finetune.py"]))
    assert keys.keys() <= known.keys()
    assert {key: getattr(args, key) for key in keys} == keys


@pytest.mark.parametrize("name", EXPECTED)
def test_the_commands_on_top_launch_the_file(name):
    commands = head_of(name)
    assert {command.split()[0] for command in commands} == {"accelerate", "make"}
    launched = {command: arguments_of(command) for command in commands}
    for command, args in launched.items():
        assert args.config_file == f"{FOLDER}/{name}.yaml", command
        assert (ROOT / args.training_script).is_file(), command
    if EXPECTED[name][1] > 1:
        commands = [command for command in commands if command.startswith("accelerate")]
        assert [launched[command].machine_rank for command in commands] == [0, 1]


def test_the_commands_of_the_page_parse():
    text = (ROOT / "docs" / "launching.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```bash\n(.*?)^```", text, re.M | re.S)
    commands = [line for block in blocks for line in block.splitlines() if line.startswith(("accelerate", "make "))]
    commands.remove("make test-faults")  # launches no recipe
    assert len(commands) > 8
    for command in commands:
        args = arguments_of(command.removesuffix(" &"))
        kind = LoraArguments if args.training_script.endswith("lora.py") else FinetuneArguments
        RecipeParser((ModelArguments, LabelledDataArguments, kind)).parse_args(args.training_script_args)


def test_two_machines_meet_at_the_first_ones_address():
    for name in ("multi_node", "multi_node_cpu"):
        # Rank 1: accelerate looks whether rank 0's port is free, and here another test may have it.
        words = ["--machine_rank", "1", "--main_process_ip", "10.0.0.7", "recipes/finetune.py"]
        args = launch_arguments("--config_file", f"{FOLDER}/{name}.yaml", *words)
        prepare_multi_gpu_env(args)
        per_machine = str(EXPECTED[name][2] // 2)
        assert (args.nnodes, args.nproc_per_node, args.node_rank) == ("2", per_machine, 1)
        assert args.rdzv_endpoint == "10.0.0.7:29500"


@pytest.mark.filterwarnings("ignore:Port")
def test_fsdp2_wraps_the_layers_and_saves_them_whole(tiny_model, monkeypatch):
    args = launch_arguments("--config_file", f"{FOLDER}/fsdp2.yaml", "recipes/finetune.py")
    for name, value in prepare_multi_gpu_env(args).items():
        if name.startswith("FSDP_"):
            monkeypatch.setenv(name, value)
    plugin = FullyShardedDataParallelPlugin()
    plugin.set_auto_wrap_policy(AutoModel.from_pretrained(tiny_model))  # raises where the model has no such layer
    assert (plugin.fsdp_version, plugin.reshard_after_forward) == (2, True)
    assert plugin.transformer_cls_names_to_wrap == ["BertLayer"] and not plugin.cpu_ram_efficient_loading
    assert plugin.state_dict_type.name == "FULL_STATE_DICT"


@pytest.mark.filterwarnings("ignore:Port")
def test_deepspeed_leaves_clipping_and_accumulation_to_the_recipe(monkeypatch):
    """Nothing is started: deepspeed is not among what is installed. Its settings are accelerate's own code."""
    args = launch_arguments("--config_file", f"{FOLDER}/deepspeed_zero2.yaml", "recipes/finetune.py")
    args.deepspeed_fields_from_accelerate_config = ""
    for name, value in prepare_deepspeed_cmd_env(args)[1].items():
        # Not ACCELERATE_USE_DEEPSPEED: what other tests load would look for deepspeed.
        if name.startswith("ACCELERATE_") and name != "ACCELERATE_USE_DEEPSPEED":
            monkeypatch.setenv(name, value)
    config = DeepSpeedPlugin().deepspeed_config
    assert config["zero_optimization"]["stage"] == 2
    assert config["zero_optimization"]["offload_optimizer"]["device"] == "none"
    assert config["gradient_clipping"] == config["gradient_accumulation_steps"] == "auto"


@pytest.mark.full  # test_recipes.py launches one process without a file, by the same launcher of accelerate's
def test_one_process_on_a_cpu(tiny_model, tmp_path):
    options = [*short("finetune"), "--no_baseline", "--model_name_or_path", str(tiny_model)]
    file = f"{FOLDER}/cpu_1.yaml"
    done = execute(
        *("accelerate", "launch", "--config_file", file, "recipes/finetune.py"),
        *(*options, "--output_dir", str(tmp_path / "run")),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "run" / "model.safetensors").exists()


WHO_IS_THERE = """
import sys
from bert_recipes.arguments.recipe import RecipeArguments
from bert_recipes.run.errors import leave_group

args = RecipeArguments(output_dir=sys.argv[1], use_cpu=True)
open(f"{args.output_dir}/rank{args.process_index}.txt", "w").write(f"{args.world_size} {args.local_process_index}")
leave_group()
"""


def test_two_launchers_form_one_group(tmp_path):
    """Two machines are two launchers; here both are on this one, and meet at its own address."""
    (tmp_path / "script.py").write_text(WHO_IS_THERE)
    words = ["--config_file", f"{FOLDER}/multi_node_cpu.yaml", "--main_process_ip", "127.0.0.1"]
    words += ["--main_process_port", str(get_free_port())]

    def launch(rank: int):
        script = (str(tmp_path / "script.py"), str(tmp_path))
        return execute("accelerate", "launch", *words, "--machine_rank", str(rank), *script)

    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(launch, (0, 1)))
    assert [done.returncode for done in both] == [0, 0], "".join(done.stderr for done in both)
    assert [(tmp_path / f"rank{rank}.txt").read_text() for rank in (0, 1)] == ["2 0", "2 0"]
