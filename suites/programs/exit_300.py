# a code over 255
raise SystemExit(300)
