"""Read the upstream files and prediction files into tables.

`predictions` reads a prediction file in stages:

1. locate: `locate` (folders, patterns, stored models), `unpack` (pipes, compression),
   `formats.remote` (URLs)
2. container: `formats`, one reader for each format; `formats.foreign` refuses the others
3. layout of text: `layout`, on the lines and cells of `text`
4. shape: `json_text` and `json_shapes` (with `json_parts`, `json_choices`, `json_nested`, `coco`,
   `mlperf`), `formats.npy` and `logits` for arrays, lists in cells in `columns`
5. columns: `columns`, by the names in `roles` and `series`; `assign` decides, with `contents`,
   `competitors` and `counters`; `unnamed` is for text without a header; `missing` has the errors
6. values: `values.sql`, `printed` (what libraries print), `spellings` (classes in words),
   `image_names`
7. checks: `checks` (repeats, ranks, values), `ranks` (against confidences and labels)

The stages share `options`: the user's options, and the facts that the stages found. The other
modules read the upstream files, and `build` runs them.
"""
