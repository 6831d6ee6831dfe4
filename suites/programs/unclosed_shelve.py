# a shelf without close
import shelve

shelf = shelve.open("shelf.db", flag="n", writeback=True)
shelf["numbers"] = [1, 2, 3]
shelf["numbers"].append(4)
print(sorted(shelf), shelf["numbers"])
shelf.sync()
print(len(shelf))
