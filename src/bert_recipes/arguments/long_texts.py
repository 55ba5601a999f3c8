"""Arguments of texts that are longer than --max_length."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..run.errors import UserError

TRUNCATE, HEAD_TAIL, WINDOWS, SELECT = "truncate", "head_tail", "windows", "select"
LEXICAL, ENCODER, LEARNED = "lexical", "encoder", "learned"


@dataclass
class LongTextArguments:
    """Of a dataclass that has `text_column_names` too; of a pair the second text is the long one."""

    long_text: str | None = field(
        default=None,
        metadata={
            "choices": [TRUNCATE, HEAD_TAIL, WINDOWS, SELECT],
            "help": "of a text above --max_length: its beginning (the default), a quarter from its beginning and the "
            "rest from its end, windows over all of it, or the sentences that bear on the first of --text_columns",
        },
    )
    select_by: str | None = field(
        default=None,
        metadata={
            "choices": [LEXICAL, ENCODER, LEARNED],
            "help": "what scores the sentences of --long_text select: shared characters (lexical, the default of a "
            "pair), similar vectors, or a small LSTM with attention that is trained on the labels",
        },
    )

    def check_long_text(self, text_columns: list[str]) -> None:
        if self.select_by and self.long_text != SELECT:
            raise UserError(f"--select_by {self.select_by} is for --long_text select: give both, or leave it out")
        if self.long_text == SELECT and len(text_columns) == 1:
            self.select_by = self.select_by or LEARNED
            if self.select_by != LEARNED:
                raise UserError(
                    f"--select_by {self.select_by} compares sentences with an aspect, and --text_columns "
                    f"{text_columns[0]} has none: name two columns such as aspect,text, or take --select_by learned"
                )
        if self.long_text == SELECT:
            self.select_by = self.select_by or LEXICAL
