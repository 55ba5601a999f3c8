"""Vectors out of an encoder: one for each text of a file, or for each distinct character.

accelerate launch recipes/embed.py
accelerate launch recipes/embed.py --unit char --output_file outputs/characters.vec --nearest 10 好 差
"""

from bert_recipes.arguments.embed import EmbedArguments
from bert_recipes.arguments.parse import parse
from bert_recipes.models.encoders import load_to_embed
from bert_recipes.results.embedding import embed, read_rows
from bert_recipes.results.vectors import report_vectors
from bert_recipes.run.errors import run


def main(argv=None):
    (args,) = parse(EmbedArguments, argv=argv)

    # Data: the texts of a file of any size, checked and on disk; a mistake in a row is told before the model loads.
    rows = read_rows(args)

    # Model: any encoder, whatever it was trained for.
    encoder, tokenizer = load_to_embed(args)

    # Vectors: block after block, in the file's order; what an interrupted run has finished is not computed again.
    with embed(rows, encoder, tokenizer, args) as vectors:
        return report_vectors(vectors, encoder, tokenizer, args)


if __name__ == "__main__":
    run(main)
