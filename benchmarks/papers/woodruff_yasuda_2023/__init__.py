CLAIM = "Rows sampled by sensitivities keep l_p norms where uniform ones fail"
