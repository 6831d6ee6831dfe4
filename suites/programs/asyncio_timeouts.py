# timeouts, gather with exceptions, shield
import asyncio

async def slow(seconds, value):
    await asyncio.sleep(seconds)
    return value

async def boom():
    raise KeyError("k")

async def main():
    try:
        async with asyncio.timeout(0.02):
            await slow(5, 1)
    except TimeoutError:
        print("timed out")
    print(await asyncio.gather(slow(0.01, "a"), boom(), return_exceptions=True))
    try:
        await asyncio.wait_for(asyncio.shield(slow(0.05, "s")), 0.01)
    except TimeoutError:
        print("shield timed out")
    done, pending = await asyncio.wait([asyncio.create_task(slow(0.01, 1)), asyncio.create_task(slow(9, 2))], return_when="FIRST_COMPLETED")
    print(len(done), len(pending))

asyncio.run(main())
