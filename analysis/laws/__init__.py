"""Scaling laws: fitted, with intervals, checked on what they did not see, and asked for the next run."""

from analysis.laws.answers import Fitted, LawRequest, answer_of, columns_of, fit_answers
from analysis.laws.as_json import fitted_as_json
from analysis.laws.checks import held_out_text, lack_of_fit_text
from analysis.laws.families import EXTRAPOLATED, FamilyLaw, family_laws, fitted_laws, law_sentences, laws_table
from analysis.laws.lacking import lacking_sentence
from analysis.laws.next_run import Candidate, Optimum, Ranked, compute_optimum, proposed_candidates, rank_candidates
from analysis.laws.predict import predict
from analysis.laws.table import COLUMN_ROLES, numeric_column, point_groups, read_points_table
from analysis.laws.values import Fit, Method, TooFew

__all__ = [
    "COLUMN_ROLES",
    "EXTRAPOLATED",
    "Candidate",
    "FamilyLaw",
    "Fit",
    "Fitted",
    "LawRequest",
    "Method",
    "Optimum",
    "Ranked",
    "TooFew",
    "answer_of",
    "columns_of",
    "compute_optimum",
    "family_laws",
    "fit_answers",
    "fitted_as_json",
    "fitted_laws",
    "held_out_text",
    "lack_of_fit_text",
    "lacking_sentence",
    "law_sentences",
    "laws_table",
    "numeric_column",
    "point_groups",
    "predict",
    "proposed_candidates",
    "rank_candidates",
    "read_points_table",
]
