# asyncio.run in a thread and to_thread
import asyncio
import threading
import time

def block(value):
    time.sleep(0.01)
    return value, threading.current_thread() is threading.main_thread()

async def main():
    return await asyncio.gather(*(asyncio.to_thread(block, v) for v in range(3)))

result = []
thread = threading.Thread(target=lambda: result.append(asyncio.run(main())))
thread.start()
thread.join()
print(result)
