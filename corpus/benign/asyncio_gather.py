import asyncio


async def fetch(name, delay):
    await asyncio.sleep(delay)
    return f"{name} done"


async def main():
    print(await asyncio.gather(fetch("a", 0.03), fetch("b", 0.01), fetch("c", 0.02)))
    try:
        await asyncio.wait_for(fetch("slow", 5), timeout=0.05)
    except asyncio.TimeoutError:
        print("gave up on slow")
    async with asyncio.TaskGroup() as group:
        first = group.create_task(fetch("x", 0.01))
        second = group.create_task(fetch("y", 0.0))
    print(first.result(), "|", second.result())
    results = await asyncio.gather(fetch("ok", 0), broken(), return_exceptions=True)
    print([type(r).__name__ for r in results])


async def broken():
    raise ValueError("no")


asyncio.run(main())
