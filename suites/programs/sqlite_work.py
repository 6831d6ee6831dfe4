# sqlite with transactions, functions, rows and errors
import sqlite3

connection = sqlite3.connect("shop.db")
connection.row_factory = sqlite3.Row
connection.create_function("double", 1, lambda x: 2 * x)
with connection:
    connection.executescript("create table item (id integer primary key, name text unique, price real);")
    connection.executemany("insert into item (name, price) values (:name, :price)", [{"name": "tea", "price": 2.5}, {"name": "jam", "price": 4}])
try:
    with connection:
        connection.execute("insert into item (name, price) values ('cup', 1)")
        connection.execute("insert into item (name, price) values ('tea', 1)")
except sqlite3.IntegrityError as error:
    print(error)
for row in connection.execute("select name, double(price) as d from item order by name"):
    print(dict(row))
print("\n".join(connection.iterdump()))
