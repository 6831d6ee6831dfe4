import numpy as np
from scipy import stats

a = np.array([5.1, 4.9, 6.2, 5.8, 6.0, 5.5])
b = np.array([6.5, 6.1, 7.2, 6.9, 7.0, 6.4])
t, p = stats.ttest_ind(a, b)
print("t", round(float(t), 4), "p", round(float(p), 5))
fit = stats.linregress([1, 2, 3, 4, 5], [2.1, 3.9, 6.2, 8.1, 9.8])
print("slope", round(float(fit.slope), 3), "intercept", round(float(fit.intercept), 3), "r", round(float(fit.rvalue), 4))
chi2, p, dof, _ = stats.chi2_contingency([[10, 20], [20, 10]])
print("chi2", round(float(chi2), 4), "p", round(float(p), 5), "dof", dof)
print("normal quantile", round(float(stats.norm.ppf(0.975)), 4))
print("spearman", round(float(stats.spearmanr(a, b)[0]), 4))
