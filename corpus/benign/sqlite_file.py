#! files: shop.db
import sqlite3
from contextlib import closing

with closing(sqlite3.connect("shop.db")) as db, db:
    db.execute("CREATE TABLE stock (item TEXT PRIMARY KEY, amount INTEGER CHECK (amount >= 0))")
    db.executemany("INSERT INTO stock VALUES (?, ?)", [("nail", 100), ("screw", 40)])
    db.execute("CREATE INDEX by_amount ON stock(amount)")

with closing(sqlite3.connect("shop.db")) as db:
    try:
        with db:
            db.execute("UPDATE stock SET amount = amount - 10 WHERE item = 'nail'")
            db.execute("UPDATE stock SET amount = amount - 50 WHERE item = 'screw'")
    except sqlite3.IntegrityError:
        print("rolled back")
    print(db.execute("SELECT item, amount FROM stock ORDER BY item").fetchall())
    print(db.execute("PRAGMA integrity_check").fetchone())
