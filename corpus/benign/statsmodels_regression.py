#! timeout: 30
#! executors: native
import numpy as np
import pandas as pd
import statsmodels.api as sm
import statsmodels.formula.api as smf

x = np.arange(20.0)
data = pd.DataFrame({"x": x, "y": 3 * x + 2 + np.where(x % 2, 0.5, -0.5)})
fit = smf.ols("y ~ x", data=data).fit()
print(fit.params.round(3).to_dict(), round(fit.rsquared, 4))
again = sm.OLS(data["y"], sm.add_constant(data["x"])).fit()
print(np.allclose(again.params.to_numpy(), fit.params.to_numpy()), "OLS Regression Results" in str(again.summary()))
