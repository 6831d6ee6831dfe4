# a failing task group of asyncio
import asyncio

async def fail(number):
    await asyncio.sleep(0.01 * number)
    raise ValueError(f"task {number}")

async def main():
    async with asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(fail(number))

asyncio.run(main())
