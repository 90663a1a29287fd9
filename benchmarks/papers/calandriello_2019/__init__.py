CLAIM = "Budgeted bandits have nearly the regret of exact ones with few inducing points"
NOT_SHOWN = "surrogate data; the claim on time is not checked"
