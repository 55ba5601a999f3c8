"""Columns and classes by their names: what training and prediction both take, and its checks."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..run.errors import UserError


def split_names(names: str) -> list[str]:
    """Parted by commas, Chinese ones too."""
    return [name.strip() for name in re.split("[,，]", names) if name.strip()]


class ColumnArguments:
    """Of a dataclass with the fields `text_columns`, `column_names`, `label_names` and `label_names_file`."""

    @property
    def text_column_names(self) -> list[str]:
        return split_names(self.text_columns)

    @property
    def given_column_names(self) -> list[str]:
        return split_names(self.column_names or "")

    def check_columns(self, label_columns: Sequence[str] = ()) -> None:
        texts, names = self.text_column_names, self.given_column_names
        if not 1 <= len(texts) <= 2 or len(set(texts)) < len(texts):
            raise UserError(
                f"--text_columns {self.text_columns}: name one column, or two for a pair such as title,text"
            )
        if len(set(names)) < len(names):
            raise UserError(f"--column_names {self.column_names}: each column needs a name of its own")
        for name in [*texts, *label_columns] if names else []:
            if name not in names:
                argument = "label_column" if name in label_columns else "text_columns"
                raise UserError(f"--{argument} {name}: --column_names {self.column_names} has no such column")

    def check_label_names(self) -> None:
        names = split_names(self.label_names or "")
        if self.label_names and self.label_names_file:
            raise UserError("--label_names and --label_names_file are both given: keep one of them")
        if len(set(names)) < len(names):
            raise UserError(f"--label_names {self.label_names}: each class needs a name of its own")
