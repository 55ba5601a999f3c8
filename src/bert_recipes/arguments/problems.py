"""What a label can be, by the names that transformers has for it: one class a row, several, or a number."""

SINGLE_LABEL = "single_label_classification"
MULTI_LABEL = "multi_label_classification"
REGRESSION = "regression"
PROBLEM_TYPES = [SINGLE_LABEL, MULTI_LABEL, REGRESSION]
