"""The stages one behind the other, in about ten minutes, and a page that shows what pretraining changed.

accelerate launch recipes/demo.py
accelerate launch recipes/demo.py --text "房间很干净|服务太差了|还行吧" --num_seeds 1 --output_dir outputs/short_demo
"""

from pathlib import Path

from bert_recipes.arguments.demo_arguments import DemoArguments
from bert_recipes.arguments.parse import parse
from bert_recipes.experiment.demo import Demo
from bert_recipes.run.errors import run


def main(argv=None):
    (args,) = parse(DemoArguments, argv=argv)

    # Each stage is a recipe of this folder; what is finished in --output_dir is not run again.
    page = Demo(args, recipes=Path(__file__).parent).tell_the_story()
    print(f"\nopen {page} in a browser")
    return page


if __name__ == "__main__":
    run(main)
