def sieve(limit):
    flags = bytearray([1]) * (limit + 1)
    flags[0:2] = b"\x00\x00"
    for n in range(2, int(limit**0.5) + 1):
        if flags[n]:
            flags[n * n :: n] = bytes(len(range(n * n, limit + 1, n)))
    return [n for n, flag in enumerate(flags) if flag]


primes = sieve(1_000_000)
print(len(primes), primes[:10], primes[-1])
gaps = max((b - a, a) for a, b in zip(primes, primes[1:]))
print("largest gap", gaps)


def collatz(n):
    steps = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps


print(max(range(1, 20000), key=collatz), pow(7, 10**9, 10**9 + 7))
