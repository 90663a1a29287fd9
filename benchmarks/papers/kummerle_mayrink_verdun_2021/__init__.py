CLAIM = "Reweighted least squares complete ill-conditioned matrices from nearly as few entries as they have parameters"
