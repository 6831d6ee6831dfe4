#! timeout: 30
#! executors: native
# The default memory is enough, since the import was the template's.
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

X, y = load_iris(return_X_y=True)
train, test, train_y, test_y = train_test_split(X, y, random_state=0, stratify=y)
for model in [RandomForestClassifier(50, random_state=0), make_pipeline(StandardScaler(), SVC())]:
    print(type(model).__name__, accuracy_score(test_y, model.fit(train, train_y).predict(test)) > 0.9)
line = LinearRegression().fit([[0], [1], [2]], [1, 3, 5])
print(round(line.coef_[0], 6), round(line.intercept_, 6))
print(sorted(KMeans(3, n_init=5, random_state=0).fit([[0], [0.1], [5], [5.1], [9], [9.1]]).cluster_centers_.ravel().round(2).tolist()))
