"""What each number of a reader study means: one card each, read by page, table and reference."""

from __future__ import annotations

from retinaforge.core import Card

ACCURACY_CARD = Card(
    name="reader_accuracy",
    version=1,
    measures="share of answers that are right (real called real, synthetic called synthetic; of "
    "two images the synthetic one found), with the exact interval and exact p against one half",
    range="[0, 1]",
    direction="neither",
    unit="1",
    smallest_n=1,
    reference="Clopper and Pearson, Biometrika 26, 1934; two-sided exact binomial test",
    known_failure="answers of several readers to one image are not independent: over readers take "
    "the bootstrap's interval; near one half it says nothing of a reader who calls all real",
)
CALLED_REAL_CARD = Card(
    name="called_real",
    version=1,
    measures="share of images of one side (real or synthetic) that readers took for real",
    range="[0, 1]",
    direction="neither",
    unit="1",
    smallest_n=1,
    reference="definition; RetinaLogos reports 62.07 % of synthetic and 64.29 % of real images",
    known_failure="the synthetic side alone says nothing: read it beside the real side, since a "
    "reader who calls everything real believes 100 % of any images",
)
D_PRIME_CARD = Card(
    name="d_prime",
    version=1,
    measures="sensitivity z(hits) - z(false alarms), 'synthetic' being the signal; of two images "
    "sqrt(2) z(share right); half an answer is added to each cell",
    range="(-inf, inf)",
    direction="neither",
    unit="standard deviations",
    smallest_n=10,
    reference="Macmillan and Creelman, Detection Theory, 2005, chapters 1 and 7; log-linear "
    "correction: Hautus, Behav. Res. Meth. Instrum. Comput. 27, 1995",
    known_failure="supposes equal variances of both sides; bounded by the correction at small n",
)
CRITERION_CARD = Card(
    name="criterion",
    version=1,
    measures="bias -(z(hits) + z(false alarms)) / 2; above 0 a reader leans to calling images real",
    range="(-inf, inf)",
    direction="neither",
    unit="standard deviations",
    smallest_n=10,
    reference="Macmillan and Creelman, Detection Theory, 2005, chapter 2",
    known_failure="as d prime",
)
AUC_CARD = Card(
    name="reader_auc",
    version=1,
    measures="chance that a synthetic image is called synthetic with more confidence than a real "
    "one; ties count one half",
    range="[0, 1]",
    direction="neither",
    unit="1",
    smallest_n=10,
    reference="Hanley and McNeil, Radiology 143, 1982; of two images: none, its share right is one",
    known_failure="means little where a reader used one or two steps of confidence",
)
FLEISS_CARD = Card(
    name="fleiss_kappa",
    version=1,
    measures="agreement of all readers beyond chance on images that all of them answered",
    range="[-1, 1]",
    direction="higher is better",
    unit="1",
    smallest_n=10,
    reference="Fleiss, Psychological Bulletin 76, 1971",
    known_failure="falls where one answer is rare, however well readers agree; undefined where "
    "all answers are the same",
)
COHEN_CARD = Card(
    name="cohen_kappa",
    version=1,
    measures="agreement of two readers beyond chance on images that both answered; scores from 1 "
    "to 3 and grades with quadratic weights",
    range="[-1, 1]",
    direction="higher is better",
    unit="1",
    smallest_n=10,
    reference="Cohen, Educ. Psychol. Meas. 20, 1960; weights: Psychological Bulletin 70, 1968",
    known_failure="as Fleiss's kappa",
)
INTRA_CARD = Card(
    name="intra_reader_kappa",
    version=1,
    measures="agreement of a reader with the own answer to the same image shown again",
    range="[-1, 1]",
    direction="higher is better",
    unit="1",
    smallest_n=10,
    reference="Cohen 1960, of first and second reading; quadratic weights for scores and grades",
    known_failure="memory raises it; with fewer than 20 repeats its interval is wide",
)
MULTI_READER_CARD = Card(
    name="multi_reader_bootstrap",
    version=1,
    measures="mean over readers with the 95 % percentile interval of draws of readers and of cases "
    "(patients, real and synthetic apart), each with replacement",
    range="the score's own",
    direction="neither",
    unit="the score's own",
    smallest_n=10,
    reference="Gallas, Bandos, Samuelson and Wagner, Commun. Stat. Theory Methods 38, 2009",
    known_failure="wide and rough with fewer than five readers; with one reader cases alone are "
    "drawn, and it speaks of that reader only",
)
ASPECT_MEAN_CARD = Card(
    name="aspect_mean",
    version=1,
    measures="mean score (1 implausible, 2 doubtful, 3 plausible) of an aspect, one side's images",
    range="[1, 3]",
    direction="higher is better",
    unit="1",
    smallest_n=10,
    reference="definition; interval by the multi-reader bootstrap",
    known_failure="steps of an ordinal scale are taken as equal; 'cannot say' is left out",
)
ASPECT_CARD = Card(
    name="aspect_difference",
    version=1,
    measures="mean score (1 to 3) that readers gave an aspect of synthetic images, minus real ones",
    range="[-2, 2]",
    direction="higher is better",
    unit="1",
    smallest_n=10,
    reference="definition; interval by the multi-reader bootstrap",
    known_failure="a reader who gives every image the same score pulls it to 0",
)
GRADE_CARD = Card(
    name="grade_kappa",
    version=1,
    measures="quadratically weighted kappa of grades given by readers and grades that the images' "
    "own tables state",
    range="[-1, 1]",
    direction="higher is better",
    unit="1",
    smallest_n=10,
    reference="Cohen, Psychological Bulletin 70, 1968",
    known_failure="depends on how common the grades are: compare sides with equal shares only",
)
TIME_CARD = Card(
    name="reading_time",
    version=1,
    measures="median time an image was on a visible, unpaused screen before its answer was closed",
    range="[0, inf)",
    direction="neither",
    unit="s",
    smallest_n=1,
    reference="definition; counted by the page, capped by the server's own clock",
    known_failure="a reader who looks away without pausing is counted as reading",
)
PLAN_CARD = Card(
    name="reader_sample_size",
    version=1,
    measures="smallest number of images with which the exact test keeps the power asked for, that "
    "number and any larger one",
    range="[1, inf)",
    direction="lower is better",
    unit="images",
    smallest_n=1,
    reference="binomial tails; saw-tooth: Chernick and Liu, Am. Stat. 56, 2002; over readers: "
    "design effect 1 + (R - 1) rho and a variance of readers, as Obuchowski and Rockette 1995",
    known_failure="over readers it rests on two guesses, the readers' spread and the correlation "
    "of their answers to one image",
)

READER_CARDS = (
    ACCURACY_CARD, CALLED_REAL_CARD, D_PRIME_CARD, CRITERION_CARD, AUC_CARD, FLEISS_CARD,
    COHEN_CARD, INTRA_CARD, MULTI_READER_CARD, ASPECT_MEAN_CARD, ASPECT_CARD, GRADE_CARD,
    TIME_CARD, PLAN_CARD,
)  # fmt: skip
