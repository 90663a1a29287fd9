"""How many rows are enough: the theorem behind each sampling rule, with its corrected source."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RowBound:
    """Rows that give distortion 1 ± ε, as a text and, without ε and logarithms, as a number."""

    text: str
    size: float | None
    references: tuple

    @property
    def details(self):
        """Entries of `Info`."""
        return {"bound": self.text, "bound_size": self.size, "references": list(self.references)}


def row_bound(method, p, rank, total, m):
    """`RowBound` of a rule for exponent `p`, a matrix of that rank with m rows and total sensitivity `total`."""
    d, S = rank, total
    if method == "uniform":
        return RowBound("none: uniform rows need incoherent data", None, ())
    if p == 2:
        return RowBound("ε⁻² d log d rows, by leverage scores", float(d), ("drineas_et_al_2012",))
    if method == "lewis":
        size = float(d ** max(1.0, p / 2))
        return RowBound(f"ε⁻² {'d' if p < 2 else 'd^(p/2)'} polylog rows, by Lewis weights", size, ("cohen_peng_2015",))
    if method == "root_leverage" and p < 2:
        size = float(m ** (1 - p / 2) * d ** (p / 2))
        text = "ε⁻² m^(1-p/2) d^(p/2) polylog rows a round, by root leverage scores; rounds repeat it on what is left"
        return RowBound(text, size, ("woodruff_yasuda_2023",))
    if method in ("sensitivity", "sensitivity_leverage"):
        return _by_sensitivities(method, p, d, S)
    return RowBound(f"none known for {method} scores at p = {p:g}", None, ())


def _by_sensitivities(method, p, d, S):
    if p < 1:
        return RowBound(f"none known for {method} scores below p = 1", None, ())
    if p > 2:
        share = ", at half their rate" if method == "sensitivity_leverage" else ""
        text = f"ε⁻² S^(2-2/p) polylog rows, by sensitivities{share}; nothing better is claimed for the sum of scores"
        return RowBound(text, S ** (2 - 2 / p), ("woodruff_yasuda_2023",))
    if method == "sensitivity":
        text = "ε⁻² d^(1-p/2) S polylog rows, by sensitivities; it subsumes the S^(2/p) of earlier work"
        return RowBound(text, d ** (1 - p / 2) * S, ("chen_derezinski_2021", "woodruff_yasuda_2023"))
    return RowBound("ε⁻² (S + d) polylog rows, by sensitivity + leverage", S + d, ("munteanu_omlor_2024",))
