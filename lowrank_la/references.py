"""The bibliography that docstrings, results and the documentation share, and `cite` to read it.

A docstring names its sources by key in its References section; the keys are those of ``data/references.bib``.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

SOFTWARE = "lowrank_la"
"""Key of the library's own entry, which ends every answer of `cite`."""
ANY = ""

_KRYLOV = ("musco_musco_2015", "tropp_webber_2023")
_PIVOTS: dict[str, tuple[str, ...]] = {
    "arp": ("cortinovis_kressner_2024",),
    "deim": ("sorensen_embree_2016",),
    "maxvol": ("goreinov_oseledets_savostyanov_tyrtyshnikov_zamarashkin_2010",),
    "qdeim": ("drmac_gugercin_2016",),
    "refined": ("duersch_gu_2017",),
    "rrqr": ("gu_eisenstat_1996",),
    "sketched_qr": ("duersch_gu_2017",),
}
METHODS: dict[str, dict[str, tuple[str, ...]]] = {
    "CPResult": {
        "adam": ("kolda_hong_2020",),
        "als": ("phan_tichavsky_cichocki_2013", "ma_solomonik_2021", "mitchell_ye_desterck_2020"),
        "als of observed entries": ("tomasi_bro_2005",),
        "gauss_newton": ("tomasi_bro_2005",),
        "hals": ("cichocki_phan_2009",),
        "lbfgs": ("hong_kolda_duersch_2020",),
        "leverage": ("bharadwaj_malik_murray_etal_2023",),
        "random": ("battaglino_ballard_kolda_2018",),
    },
    "CURResult": _PIVOTS,
    "ClusterResult": dict.fromkeys(("shamrai_incremental", "shamrai_residual", "shamrai_weyl"), ("shamrai_2026",)),
    "CompletionResult": {
        "altmin": ("gu_song_yin_zhang_2024", "keshavan_montanari_oh_2010", "young_1954"),
        "gauss_newton": ("zilber_nadler_2022", "bauch_nadler_zilber_2021"),
        "irls": ("kummerle_mayrink_verdun_2021",),
        "lmafit": ("wen_yin_zhang_2012",),
        "riemannian": ("vandereycken_2013",),
        "scaled_gd": ("tanner_wei_2016",),
        "soft_impute": ("hastie_mazumder_lee_zadeh_2015",),
    },
    "ConvResult": {"cp": ("lebedev_et_al_2015",), "tucker2": ("kim_et_al_2016",)},
    "EighResult": {"krylov": _KRYLOV},
    "FrequentDirectionsResult": {ANY: ("liberty_2013", "ghashami_liberty_phillips_woodruff_2016")},
    "HierarchicalSVDResult": {"hapod": ("himpe_leibner_rave_2018",)},
    "IncrementalSVDResult": {"truncated": ("brand_2006", "ross_lim_lin_yang_2008")},
    "InterpolativeResult": _PIVOTS,
    "LstsqResult": {
        "cholesky": ("epperly_meier_nakatsukasa_2024",),
        "lsqr": ("paige_saunders_1982",),
        "sketched": ("melnichenko_et_al_2023",),
        "spir": ("epperly_meier_nakatsukasa_2024",),
    },
    "NystromResult": {"krylov": _KRYLOV, "sketch": ("tropp_yurtsever_udell_cevher_2017", "epperly_tropp_2024")},
    "OjaPCAResult": {"ada_oja": ("henriksen_ward_2019",), "history_pca": ("yang_hsieh_wang_2018",)},
    "QBResult": {"qb": ("halko_martinsson_tropp_2011", "yu_gu_li_2018")},
    "RPCholeskyResult": {"rpcholesky": ("chen_epperly_tropp_webber_2025", "epperly_tropp_webber_2024")},
    "RankSuggestion": {ANY: ("bro_kiers_2003",)},
    "RecoverResult": {
        "asymmetric": ("xiong_ding_du_2024",),
        "polyak": ("tong_ma_chi_2021_nonsmooth",),
        "rebalanced": ("xiong_ding_du_2024",),
        "scaled_gradient": ("tong_ma_chi_2021",),
        "subgradient": ("ma_fattahi_2023",),
        "symmetric": ("xiong_ding_du_2024",),
    },
    "RidgeNystromResult": {
        "bless": ("rudi_calandriello_carratino_rosasco_2018",),
        "recursive": ("musco_musco_2017",),
    },
    "SVDResult": {
        "fused": _KRYLOV,
        "hermitian": _KRYLOV,
        "krylov": _KRYLOV,
        "subspace": ("halko_martinsson_tropp_2011", "feng_yu_xie_tang_2024"),
    },
    "SelectedAnchors": {ANY: ("shah_song_xu_yang_2020",), "maxvol": _PIVOTS["maxvol"]},
    "SinglePassResult": {ANY: ("tropp_yurtsever_udell_cevher_2019",)},
    "SparseWHTResult": {"peeling": ("scheibler_haghighatshoar_vetterli_2015", "li_bradley_pawar_ramchandran_2015")},
    "TallQRResult": {"cholesky_qr2": ("yamamoto_et_al_2015",), "sketched": ("melnichenko_et_al_2023",)},
    "TopEigenvectorResult": {"kacham_woodruff": ("kacham_woodruff_2024",), "price_xun": ("price_xun_2024",)},
    "TuckerResult": {
        "hooi": ("de_lathauwer_de_moor_vandewalle_2000b",),
        "randomized": ("halko_martinsson_tropp_2011",),
        "single pass": ("sun_guo_luo_tropp_udell_2020",),
        "st_hosvd": ("vannieuwenhoven_vandebril_meerbergen_2012",),
    },
    "WeightedLstsqResult": {
        "conditioned": ("nouy_michel_2023",),
        "repeated_dpp": ("nouy_michel_2023",),
        "volume_rescaled": ("derezinski_warmuth_hsu_2018", "nouy_michel_2023"),
    },
}
"""Sources of what a kind of result stands on: by its `info.method`, or whatever that is; textbook methods have none."""

_ENTRY = re.compile(r"^@(\w+)\{(\w+),\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^  (\w+) = \{(.*)\},$", re.MULTILINE)
_KEY_IN_DOCSTRING = re.compile(r"^\s*\.\. \[\d+\] (\w+)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Reference:
    """One entry of the bibliography: its kind, its fields and its BibTeX text."""

    key: str
    kind: str
    fields: dict[str, str]
    bibtex: str


@cache
def bibliography() -> dict[str, Reference]:
    """Return all entries by key."""
    text = (files("lowrank_la") / "data" / "references.bib").read_text(encoding="utf-8")
    return {
        key: Reference(key, kind, dict(_FIELD.findall(body)), match)
        for match, kind, key, body in ((m.group(0), *m.groups()) for m in _ENTRY.finditer(text))
    }


def cite(obj: Any = None) -> str:
    """BibTeX entries of the sources behind a function or a result, and of the library.

    Parameters
    ----------
    obj : function, class, object, result or None
        A function or class cites the References section of its docstring, and so does an object of the library such
        as a sampler. A result cites the algorithm that its `info.method` names, and what it lists in
        `__references__`. None cites the library alone.

    Returns
    -------
    str
        BibTeX entries separated by empty lines; the entry of the library comes last.

    Raises
    ------
    TypeError
        If `obj` is neither a function or class nor an object or result of the library.

    Examples
    --------
    >>> import lowrank_la as lr
    >>> print(lr.cite(lr.nystrom).splitlines()[0])
    @inproceedings{tropp_yurtsever_udell_cevher_2017,
    """
    keys = dict.fromkeys((*_keys(obj), SOFTWARE))
    return "\n\n".join(bibliography()[key].bibtex for key in keys)


def _keys(obj: Any) -> tuple[str, ...]:
    if obj is None:
        return ()
    own = tuple(getattr(obj, "__references__", ()))
    if hasattr(obj, "info"):
        known = METHODS.get(type(obj).__name__, {})
        steps = (ANY, *str(getattr(obj.info, "method", None)).split("+"))
        return own + tuple(key for step in steps for key in known.get(step, ()))
    subject = obj if inspect.isroutine(obj) or inspect.isclass(obj) else type(obj)
    if subject is obj or subject.__module__.startswith("lowrank_la."):
        return own + tuple(_KEY_IN_DOCSTRING.findall(inspect.getdoc(subject) or ""))
    raise TypeError(f"cite takes a function, a class or a result of the library, got {type(obj).__name__}")
