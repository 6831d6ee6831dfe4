#! class: memory
#! attack: keep making objects until there is no room
#! validator: accepts
#! timeout: 20
#! expect kind: out_of_memory
#! expect exit_code: 137
#! expect success: false
#! expect stdout: start
print("start", flush=True)
items = []
while True:
    items.append({"number": len(items), "text": str(len(items)) * 20})
