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

METHODS: dict[str, tuple[str, ...]] = {
    "ada_oja": ("henriksen_ward_2019",),
    "altmin": ("gu_song_yin_zhang_2024", "keshavan_montanari_oh_2010", "young_1954"),
    "arp": ("cortinovis_kressner_2024",),
    "asymmetric": ("xiong_ding_du_2024",),
    "bless": ("rudi_calandriello_carratino_rosasco_2018",),
    "cholesky": ("epperly_meier_nakatsukasa_2024",),
    "cholesky_qr2": ("yamamoto_et_al_2015",),
    "deim": ("sorensen_embree_2016",),
    "fused": ("musco_musco_2015", "tropp_webber_2023"),
    "gauss_newton": ("zilber_nadler_2022", "bauch_nadler_zilber_2021"),
    "hapod": ("himpe_leibner_rave_2018",),
    "hermitian": ("musco_musco_2015", "tropp_webber_2023"),
    "history_pca": ("yang_hsieh_wang_2018",),
    "irls": ("kummerle_mayrink_verdun_2021",),
    "kacham_woodruff": ("kacham_woodruff_2024",),
    "krylov": ("musco_musco_2015", "tropp_webber_2023"),
    "lmafit": ("wen_yin_zhang_2012",),
    "lsqr": ("paige_saunders_1982",),
    "maxvol": ("goreinov_oseledets_savostyanov_tyrtyshnikov_zamarashkin_2010",),
    "peeling": ("scheibler_haghighatshoar_vetterli_2015", "li_bradley_pawar_ramchandran_2015"),
    "polyak": ("tong_ma_chi_2021_nonsmooth",),
    "price_xun": ("price_xun_2024",),
    "qb": ("halko_martinsson_tropp_2011", "yu_gu_li_2018"),
    "qdeim": ("drmac_gugercin_2016",),
    "rebalanced": ("xiong_ding_du_2024",),
    "recursive": ("musco_musco_2017",),
    "refined": ("duersch_gu_2017",),
    "riemannian": ("vandereycken_2013",),
    "rpcholesky": ("chen_epperly_tropp_webber_2025", "epperly_tropp_webber_2024"),
    "rrqr": ("gu_eisenstat_1996",),
    "scaled_gd": ("tanner_wei_2016",),
    "scaled_gradient": ("tong_ma_chi_2021",),
    "shamrai_incremental": ("shamrai_2026",),
    "shamrai_residual": ("shamrai_2026",),
    "shamrai_weyl": ("shamrai_2026",),
    "sketch": ("tropp_yurtsever_udell_cevher_2017", "epperly_tropp_2024"),
    "sketched": ("melnichenko_et_al_2023",),
    "sketched_qr": ("duersch_gu_2017",),
    "soft_impute": ("hastie_mazumder_lee_zadeh_2015",),
    "spir": ("epperly_meier_nakatsukasa_2024",),
    "subgradient": ("ma_fattahi_2023",),
    "subspace": ("halko_martinsson_tropp_2011", "feng_yu_xie_tang_2024"),
    "symmetric": ("xiong_ding_du_2024",),
}
"""Sources of the algorithm that `info.method` of a result names; textbook methods have none."""

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
        steps = str(getattr(obj.info, "method", None)).split("+")
        return own + tuple(key for step in steps for key in METHODS.get(step, ()))
    subject = obj if inspect.isroutine(obj) or inspect.isclass(obj) else type(obj)
    if subject is obj or subject.__module__.startswith("lowrank_la."):
        return own + tuple(_KEY_IN_DOCSTRING.findall(inspect.getdoc(subject) or ""))
    raise TypeError(f"cite takes a function, a class or a result of the library, got {type(obj).__name__}")
