CLAIM = "One pass gives the top eigenvector: any constant gap in random order, a logarithmic one in any"
NOT_SHOWN = "the instance that defeats every fixed rate is replaced by streams with heavy rows"
