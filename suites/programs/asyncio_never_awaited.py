# coroutines that nobody awaits
import asyncio

async def fetch(number):
    return number

async def main():
    fetch(1)
    print("main")

asyncio.run(main())
fetch(2)
late = fetch(3)
print("end")
