# big ints, decimals, fractions, floats, statistics
import cmath
import decimal
import fractions
import math
import statistics

print(2 ** 300 % 10 ** 9 + 7, math.comb(60, 30), math.isqrt(10 ** 40), pow(3, -1, 7))
decimal.getcontext().prec = 40
print(decimal.Decimal(2).sqrt(), fractions.Fraction("0.125") + fractions.Fraction(1, 3))
print(0.1 + 0.2, math.fsum([0.1] * 10), float("inf") - float("inf"), round(2.5), round(-0.5), 1e16 + 1, f"{1234567.891:,.2f} {255:#x} {0.000012:g}")
print(statistics.mean([1, 2, 3, 4]), statistics.quantiles(range(10)), cmath.sqrt(-1), (3 + 4j).conjugate())
try:
    int("9" * 5000)
except ValueError as error:
    print(str(error)[:60])
print(len(str(7 ** 2000)))
