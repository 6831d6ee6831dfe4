def price(text):
    return float(text)


print(price("12 euros"))
