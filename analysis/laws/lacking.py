"""Which groups of rows have no law, and why: one sentence, however many they are."""

from collections.abc import Sequence

from analysis.laws.values import TooFew

NAMED = 4  # groups that are named one by one
Lacking = tuple[str, TooFew | str]  # a group's name, and why it has no law


def lacking_sentence(groups: Sequence[Lacking], total: int, advice: str = "") -> str:
    """The sentence on `groups` without a law, of `total` groups; '' where there are none."""
    if not groups:
        return ""
    names = [name for name, _ in groups if name]
    if total == 1 and not names:
        who = "No law"
    elif len(groups) <= NAMED and len(names) == len(groups):
        who = f"No law for {', '.join(names[:-1])}{' and ' if len(names) > 1 else ''}{names[-1]}"
    else:
        who = (
            f"No law for any of {total:,} groups"
            if len(groups) == total
            else f"No law for {len(groups):,} of {total:,} groups"
        )
    reasons = [reason for _, reason in groups]
    texts = list(dict.fromkeys(_reason(reason, reasons) for reason in reasons))
    return f"{who}: {'; '.join(texts)}{advice and f'; {advice}'}."


def _reason(reason: TooFew | str, all_reasons: Sequence[TooFew | str]) -> str:
    """The reason as it holds for all groups that lack the same."""
    if isinstance(reason, str):
        return reason
    alike = [
        one.has
        for one in all_reasons
        if isinstance(one, TooFew) and (one.needs, one.what) == (reason.needs, reason.what)
    ]
    has = f"{min(alike)}" if min(alike) == max(alike) else f"{min(alike)} to {max(alike)}"
    return f"too few points: needs at least {reason.needs} distinct {reason.what}, has {has}"
