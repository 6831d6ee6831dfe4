#! timeout: 30
import sympy as sp

x, y = sp.symbols("x y")
print(sp.integrate(sp.sin(x) ** 2, x))
print(sp.solve([x + y - 3, x - y - 1], [x, y]))
print(sp.factor(x**3 - 1), sp.diff(sp.exp(x) * x, x))
print(sp.Matrix([[2, 1], [1, 2]]).eigenvals())
print(sp.latex(sp.Rational(1, 2) * sp.sqrt(x)))
