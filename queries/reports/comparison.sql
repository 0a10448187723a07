-- How two models compare on the same images: how often each is right alone, and what that shows.
--
-- grain: one row per label set and pair of models that have scored images in common
-- key: label_set, model_a, model_b
-- reads: paired_counts, paired_tests
-- rule: the accuracies are those on the images that both models were scored on. The two models
--   are distinguished where holm_p is below 0.05, which corrects for all pairs
-- source: the table paired_tests; R. Geirhos, K. Meding and F. A. Wichmann (2020) for the agreement
--   of being right
-- label_set: real for the ReaL labels, original for the ILSVRC 2012 labels
-- model_a: a model
-- model_b: another, whose name is later in the order of the names
-- images: images that both models were scored on
-- both_right: those on which both are right
-- only_a_right: those on which only model_a is right
-- only_b_right: those on which only model_b is right
-- both_wrong: those on which both are wrong
-- accuracy_a: the share of the images that model_a is right on
-- accuracy_b: the share that model_b is right on
-- difference: accuracy_a - accuracy_b
-- standard_error: the standard error of the difference; images are resampled
-- difference_low: the lower end of the 95 % interval of the difference (Newcombe, method 10)
-- difference_high: the upper end
-- mid_p: McNemar's mid-p value, two-sided
-- exact_p: the p value of the exact test, two-sided
-- log10_mid_p: the logarithm of mid_p, which is right where mid_p is too small for a number
-- log10_exact_p: the logarithm of exact_p
-- holm_p: mid_p after Holm's correction over all pairs of the label set that are compared
-- log10_holm_p: the logarithm of holm_p, which is right where holm_p is too small for a number
-- observed_agreement: the share of the images on which both are right or both are wrong
-- expected_agreement: what that share would be if the models erred independently
-- error_consistency: Cohen's kappa of being right: (observed - expected) / (1 - expected); NULL
--   where both are right on all images, or on none
with shares as (
    select
        label_set,
        model_a,
        model_b,
        images,
        both_right,
        only_a_right,
        only_b_right,
        both_wrong,
        cast(both_right + only_a_right as double) / nullif(images, 0) as accuracy_a,
        cast(both_right + only_b_right as double) / nullif(images, 0) as accuracy_b
    from paired_counts
)

select
    s.label_set,
    s.model_a,
    s.model_b,
    s.images,
    s.both_right,
    s.only_a_right,
    s.only_b_right,
    s.both_wrong,
    s.accuracy_a,
    s.accuracy_b,
    t.difference,
    t.standard_error,
    t.difference_low,
    t.difference_high,
    t.mid_p,
    t.exact_p,
    t.log10_mid_p,
    t.log10_exact_p,
    t.holm_p,
    t.log10_holm_p,
    cast(s.both_right + s.both_wrong as double) / nullif(s.images, 0) as observed_agreement,
    s.accuracy_a * s.accuracy_b
    + (1e0 - s.accuracy_a) * (1e0 - s.accuracy_b) as expected_agreement,
    t.error_consistency
from shares as s
inner join paired_tests as t
    on s.label_set = t.label_set and s.model_a = t.model_a and s.model_b = t.model_b
