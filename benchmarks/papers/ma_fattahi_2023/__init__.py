CLAIM = "Sub-gradient steps from small starts recover a matrix of unknown rank from grossly wrong measurements"
