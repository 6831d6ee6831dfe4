# a cycle whose finalizer writes the summary
class Recorder:
    def __init__(self):
        self.rows = []
        self.me = self

    def add(self, row):
        self.rows.append(row)

    def __del__(self):
        with open("summary.txt", "w") as file:
            file.write("\n".join(map(str, self.rows)))
        print("summary written", len(self.rows))

recorder = Recorder()
for i in range(4):
    recorder.add(i * i)
