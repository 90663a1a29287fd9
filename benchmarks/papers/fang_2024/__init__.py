CLAIM = "Functional Tucker with Gaussian processes: values at unseen coordinates, with intervals that hold"
NOT_SHOWN = "the temperature and air quality data of the paper"
