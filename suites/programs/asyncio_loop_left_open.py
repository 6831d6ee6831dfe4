# a loop that is never closed, with a task pending
import asyncio

async def wait():
    await asyncio.sleep(100)

loop = asyncio.new_event_loop()
task = loop.create_task(wait(), name="waiting")
loop.run_until_complete(asyncio.sleep(0.01))
print("end", task.done())
