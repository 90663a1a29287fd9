"""
Digits in a pipeline
====================

`lowrank_la.estimators.PCA` in a scikit-learn pipeline: the share of the variance that is kept is searched
together with the classifier.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from lowrank_la.estimators import PCA

X, y = load_digits(return_X_y=True)
train, test, labels, truth = train_test_split(X, y, random_state=0)
search = GridSearchCV(make_pipeline(PCA(), SVC()), {"pca__n_components": [0.5, 0.7, 0.8, 0.9, 0.99]}, cv=3)
search.fit(train, labels)
print(f"best share of the variance {search.best_params_['pca__n_components']}")
print(f"accuracy on new digits {search.score(test, truth):.3f}")

pca = search.best_estimator_[0]
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained")
shares = search.param_grid["pca__n_components"]
left.plot(shares, search.cv_results_["mean_test_score"], "o-")
left.set(xlabel="share of the variance kept", ylabel="accuracy, three folds")
Z = PCA(2).fit_transform(X)
points = right.scatter(*Z.T, c=y, s=6, cmap="tab10", vmin=-0.5, vmax=9.5)
right.set(title="two components", xticks=[], yticks=[])
figure.colorbar(points, ax=right, ticks=range(10))
