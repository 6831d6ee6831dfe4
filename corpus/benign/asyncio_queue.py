import asyncio


async def producer(queue, count):
    for number in range(count):
        await queue.put(number)
    await queue.put(None)


async def consumer(queue, results):
    while (number := await queue.get()) is not None:
        await asyncio.sleep(0)
        results.append(number**2)


async def ticker(stop):
    ticks = 0
    while not stop.is_set():
        ticks += 1
        await asyncio.sleep(0.001)
    return ticks


async def squares(limit):
    for number in range(limit):
        await asyncio.sleep(0)
        yield number * number


async def main():
    queue, results, stop = asyncio.Queue(maxsize=3), [], asyncio.Event()
    tick = asyncio.create_task(ticker(stop))
    await asyncio.gather(producer(queue, 10), consumer(queue, results))
    stop.set()
    print(results, await tick >= 1)
    print([value async for value in squares(5)])
    semaphore, running, peak = asyncio.Semaphore(2), 0, 0

    async def job():
        nonlocal running, peak
        async with semaphore:
            running += 1
            peak = max(peak, running)
            await asyncio.sleep(0.005)
            running -= 1

    await asyncio.gather(*(job() for _ in range(6)))
    print("peak", peak)
    print(await asyncio.to_thread(sum, range(100)))


asyncio.run(main())
