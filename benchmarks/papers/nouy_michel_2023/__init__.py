CLAIM = "Determinantal designs make weighted least squares stable with as many points as functions"
