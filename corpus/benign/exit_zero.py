print("leaving early")
raise SystemExit
print("never")
