# markers below a long expression
data = {"users": [{"name": "a", "address": None}]}
city = (data["users"][0]["name"].upper() + data["users"][0]["address"]["city"].title() + str(1 / 1))
