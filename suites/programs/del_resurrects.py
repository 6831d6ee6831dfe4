# a finalizer that brings its object back
saved = []

class Phoenix:
    def __del__(self):
        saved.append(self)
        print("back", len(saved))

p = Phoenix()
del p
print(len(saved))
saved.clear()
print("end", len(saved))
