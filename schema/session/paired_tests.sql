-- How two models differ on the same images: difference, interval, and McNemar's test.
--
-- grain: one row per label set and pair of models that have scored images in common
-- key: label_set, model_a, model_b
-- source: a session computes it from the view paired_counts (stats/paired.py). Difference: R. G.
--   Newcombe (1998), Statistics in Medicine 17, 2635-2650, method 10. Test: Fagerland, Lydersen and
--   Laake (2013), BMC Medical Research Methodology 13:91. Correction: S. Holm (1979)
-- label_set: real for the ReaL labels, original for the ILSVRC 2012 labels
-- model_a: a model
-- model_b: another, whose name is later in the order of the names
-- difference: the accuracy of model_a less that of model_b, on the images that both were scored on
-- standard_error: the standard error of the difference; images are resampled
-- difference_low: the lower end of the 95 % interval of the difference
-- difference_high: the upper end
-- error_consistency: Cohen's kappa of being right; NULL where both are right on all images, or on
--   none
-- mid_p: McNemar's mid-p value, two-sided
-- exact_p: the p value of the exact test, two-sided
-- log10_mid_p: the logarithm of mid_p, which is right where mid_p is too small for a number
-- log10_exact_p: the logarithm of exact_p
-- holm_p: mid_p after Holm's correction over all pairs of the label set that are compared
-- log10_holm_p: the logarithm of holm_p, which is right where holm_p is too small for a number
create table paired_tests (
    label_set varchar not null,
    model_a varchar not null,
    model_b varchar not null,
    difference double not null,
    standard_error double not null,
    difference_low double not null,
    difference_high double not null,
    error_consistency double,
    mid_p double not null,
    exact_p double not null,
    log10_mid_p double not null,
    log10_exact_p double not null,
    holm_p double not null,
    log10_holm_p double not null
);
