#! executors: native, docker, kata
#! timeout: 20
import numpy as np
from scipy.integrate import quad_vec
from scipy.optimize import brute, differential_evolution, rosen


def wave(x):
    return np.array([np.sin(x), np.cos(x)])


if __name__ == "__main__":
    found = differential_evolution(rosen, [(0, 2)] * 2, workers=-1, updating="deferred", maxiter=200, seed=1)
    print(found.success, found.x.round(3))
    found = differential_evolution(rosen, [(0, 2)] * 2, workers=2, updating="deferred", maxiter=200, seed=1)
    print(found.success, found.x.round(3))
    print(quad_vec(wave, 0, np.pi, workers=2)[0].round(6) + 0.0)
    print(brute(rosen, ((0, 2), (0, 2)), Ns=5, workers=2, finish=None))
