"""The experiment's questions, one file each.

A question file ends with `QUESTION = Question(plan, section)`:

- `plan` is the runs that it needs: `label_grid.LABELS`, which several questions share, or `Plan(name, runs)` of its
  own, where `runs(setting)` lists them and `name` is what `--experiments` calls them;
- `section(results, rows)` makes its `Section` of what stands in results.json, or None where that is too little: one
  sentence made of the numbers (with one interval at most), one figure (`charts.py`), the tables that unfold below it,
  and the findings of the literature that it is set beside. `rows` is how many labelled rows "all" of them are.

`all.py` lists the questions in the page's order: a new one is a file here and a line there.
"""
