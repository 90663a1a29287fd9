CLAIM = "Value iteration on anchors keeps the rate of ordinary value iteration"
NOT_SHOWN = "a task with other constants than the paper's"
