"""Compiled inner loops on bare arrays; `lookup` is the only door."""

from functools import cache
from importlib import import_module

_NUMPY_KERNELS = {
    "philox_words": "philox",
    "philox_uniform": "philox",
    "philox_gaussian": "philox",
    "philox_signs": "philox",
    "philox_integers": "philox",
    "csr_matmat": "csr",
    "csr_rmatmat": "csr",
    "csr_normal": "csr",
    "fibre_entries": "fibres",
    "fibre_products": "fibres",
    "fibre_rows": "fibres",
    "contract_both": "contract",
    "contract_first": "contract",
    "contract_first_both": "contract",
    "contract_last": "contract",
    "hash_rows": "hashing",
    "gram_workspace": "panel_gram",
    "has_wide_registers": "panel_gram",
    "panel_gram": "panel_gram",
    "long_gram": "panel_gram",
    "line_grams": "line_grams",
    "line_products": "line_grams",
    "oja_ladder": "oja_ladder",
    "observed_dots": "observed",
    "observed_times": "observed",
    "rows_by_cg": "row_cg",
    "rows_by_cholesky": "row_cholesky",
    "rows_by_descent": "row_nonneg",
    "rows_by_sketch": "row_sketch",
    "smooth_states": "state_space",
    "sort_entries": "observed",
    "sorted_by": "fibres",
    "transpose_entries": "observed",
    "bin_energies": "refit",
    "draw_groups": "subspaces",
    "energy_of": "_rows",
    "fill_offsets": "subspaces",
    "fill_queries": "subspaces",
    "filter_states": "state_space",
    "gather_groups": "subspaces",
    "gather_places": "subspaces",
    "gather_points": "subspaces",
    "random_rows": "subspaces",
    "read_groups": "subspaces",
    "smallest_of": "peeling",
    "sorted_rows": "words",
    "peel": "peeling",
    "put_back": "refit",
    "refit": "refit",
    "leave_on_subspaces": "random_subspaces",
    "lay_out_subspaces": "random_subspaces",
    "scan_proposals": "determinantal",
    "projection_draws": "determinantal",
    "bernoulli_until": "determinantal",
    "keep_small": "thresholds",
    "keep_small_known": "thresholds",
    "clip_step": "thresholds",
    "walsh_rows": "walsh",
    "walsh_runs": "walsh",
    "walsh_exact": "walsh",
    "walsh_sampled": "walsh_sampled",
    "open_transform": "walsh_team",
    "work_on_transforms": "walsh_team",
    "new_board": "team",
    "dismiss": "team",
    "is_left": "team",
    "als_update": "als_update",
    "loss_sums": "losses",
    "residual_products": "residuals",
}


@cache
def lookup(name, host):
    """Kernel called `name` for arrays that live on `host`, or None.

    Numba is imported when the first kernel is asked for.

    Parameters
    ----------
    name : str
    host : str
        Kind of the array namespace, such as ``"numpy"`` or ``"cupy"``.

    Returns
    -------
    callable or None
    """
    if host != "numpy" or name not in _NUMPY_KERNELS:
        return None
    module = import_module(f"{__name__}.numba.{_NUMPY_KERNELS[name]}")
    return getattr(module, name)
