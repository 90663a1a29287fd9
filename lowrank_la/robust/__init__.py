"""Recovery from data that lie: sub-gradient methods, robust principal components, anchors."""
