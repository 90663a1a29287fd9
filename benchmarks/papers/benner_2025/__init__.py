CLAIM = "Tucker forms of function-related tensors at Chebyshev points: Newton kernel, analytic functions"
NOT_SHOWN = "the biomolecule and the dipole lattice, whose data are not at hand"
