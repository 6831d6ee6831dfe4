needle = b"doctor-canary-"
seen = [b"".join(k + b"=" + v for k, v in os.environb.items())]
for name in os.listdir("/proc"):
    if name.isdigit():
        for part in ("environ", "cmdline", "task/" + name + "/environ"):
            try:
                with open(f"/proc/{name}/{part}", "rb") as file:
                    seen.append(file.read())
            except OSError:
                pass
if any(needle in text for text in seen):
    broken("a variable of the service is visible")
held(f"{len(os.environ)} variables, none of the service")
