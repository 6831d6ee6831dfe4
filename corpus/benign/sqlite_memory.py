import sqlite3

db = sqlite3.connect(":memory:")
db.row_factory = sqlite3.Row
db.executescript("""
CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE book (id INTEGER PRIMARY KEY, author_id INTEGER REFERENCES author(id), title TEXT, year INTEGER);
""")
db.executemany("INSERT INTO author(name) VALUES (?)", [("Le Guin",), ("Lem",)])
db.executemany(
    "INSERT INTO book(author_id, title, year) VALUES (?, ?, ?)",
    [(1, "The Dispossessed", 1974), (2, "Solaris", 1961), (1, "A Wizard of Earthsea", 1968)],
)
db.commit()
query = "SELECT a.name, COUNT(*) AS books, MIN(b.year) AS first FROM author a JOIN book b ON b.author_id = a.id GROUP BY a.id ORDER BY a.name"
for row in db.execute(query):
    print(dict(row))
try:
    with db:
        db.execute("INSERT INTO author(name) VALUES ('Lem')")
except sqlite3.IntegrityError as error:
    print("refused:", error)
db.create_function("shout", 1, lambda text: text.upper() + "!")
print(db.execute("SELECT shout(title) FROM book WHERE year < 1965").fetchone()[0])
print(db.execute("WITH RECURSIVE n(x) AS (VALUES(1) UNION ALL SELECT x+1 FROM n WHERE x < 5) SELECT SUM(x) FROM n").fetchone()[0])
