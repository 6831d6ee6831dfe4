#! stdin: a,b\n1,2\n
# /dev/stdin as a file
print(open("/dev/stdin").read())
