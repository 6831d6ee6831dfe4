# tasks that never end
import asyncio

async def forever(name):
    try:
        await asyncio.Event().wait()
    finally:
        print("cancelled", name)

async def main():
    asyncio.create_task(forever("one"))
    await asyncio.sleep(0.01)
    print("main returns")

asyncio.run(main())
