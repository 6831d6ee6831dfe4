import math
import statistics
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, getcontext, localcontext
from fractions import Fraction

print(0.1 + 0.2 == 0.3, Decimal("0.1") + Decimal("0.2") == Decimal("0.3"))
price = Decimal("2.675")
print(price.quantize(Decimal("0.01"), ROUND_HALF_UP), price.quantize(Decimal("0.01"), ROUND_HALF_EVEN))
with localcontext() as context:
    context.prec = 50
    print(Decimal(2).sqrt())
print(getcontext().prec)
print(sum(Fraction(1, n) for n in range(1, 11)), Fraction("3.125"), Fraction(math.pi).limit_denominator(1000))
data = [2, 4, 4, 4, 5, 5, 7, 9]
print(statistics.mean(data), statistics.median(data), statistics.mode(data), statistics.pstdev(data))
print([round(q, 3) for q in statistics.quantiles(data, n=4)], round(statistics.correlation(data, data[::-1]), 4))
print(math.comb(52, 5), math.gcd(1071, 462), math.isclose(math.fsum([0.1] * 10), 1.0), math.perm(5, 2))
print(2**200, divmod(-7, 3), round(2.5), int("ff", 16), f"{255:#010b}")
