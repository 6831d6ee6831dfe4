# several arguments
raise SystemExit("a", 2)
