CLAIM = "How too many columns slow gradient descent down, and how one rebalancing mends it"
