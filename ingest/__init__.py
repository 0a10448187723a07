"""Files in, tables out: where the data comes from, and how each kind of file is read.

Prediction files are read in stages, which `predictions` runs:

1. locate: `locate` (folders, patterns, stored models), `unpack` (pipes, compression),
   `formats.remote` (URLs)
2. container: `formats`, a reader for each format, and `formats.foreign` for those that are refused
3. layout of text: `layout`, on the lines and cells of `text`
4. shape: `json_text` and `json_shapes` (with `json_parts`, `json_choices`, `json_nested`, `coco`,
   `mlperf`), `formats.npy` and `logits` for arrays, lists in cells in `columns`
5. columns: `columns`, by the names of `roles` and `series`; `assign` decides, by what `contents`,
   `competitors` and `counters` find; `unnamed` is for texts without a header, and `missing` has the
   refusals
6. values: `values.sql`, `printed` (what libraries print), `spellings` (classes in words),
   `image_names`
7. checks: `checks` (repeats, ranks, values), `ranks` (against confidences and labels)

`options` has what they share: the options, and the facts that were found. The other modules read
the upstream files: `build` runs them.
"""
