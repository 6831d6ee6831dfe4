#! files: people.db, people.json
import json
import sqlite3

import pandas as pd

people = pd.DataFrame({"name": ["Zoë", "José", "李雷"], "age": [31, 45, 27]})
people.to_json("people.json", orient="records", force_ascii=False)
print(json.load(open("people.json", encoding="utf-8")))
with sqlite3.connect("people.db") as connection:
    people.to_sql("people", connection, index=False)
    older = pd.read_sql("SELECT name, age FROM people WHERE age > ? ORDER BY age", connection, params=(30,))
connection.close()
print(older.to_dict(orient="records"))
print(people.sort_values("age")["name"].tolist())
