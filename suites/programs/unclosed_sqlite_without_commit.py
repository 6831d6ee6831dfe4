# what is not committed is not there
import os
import sqlite3

connection = sqlite3.connect("data.db")
connection.execute("create table t (a integer, b text)")
connection.executemany("insert into t values (?, ?)", [(i, str(i)) for i in range(10)])
print(connection.execute("select count(*) from t").fetchone(), connection.in_transaction)
other = sqlite3.connect("data.db")
print(other.execute("select count(*) from t").fetchone())
print(os.path.exists("data.db"))
