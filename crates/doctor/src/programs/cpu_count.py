expected = int(parameter("CPU_COUNT"))
said = {"os.cpu_count": os.cpu_count(), "affinity": len(os.sched_getaffinity(0))}
import multiprocessing
said["multiprocessing"] = multiprocessing.cpu_count()
wrong = [f"{name} says {count}" for name, count in said.items() if count > expected]
if wrong:
    broken(f"the quota allows {expected} CPUs; " + ", ".join(wrong))
held(f"all say {expected} or less")
