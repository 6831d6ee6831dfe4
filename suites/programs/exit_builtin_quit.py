# quit() of site
print("before")
quit(6)
