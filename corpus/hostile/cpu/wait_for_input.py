#! class: cpu
#! attack: wait for input on a pipe of one's own that never comes
#! validator: accepts
#! timeout: 2
#! expect kind: timeout
#! expect exit_code: 124
#! expect success: false
#! expect within: 8
import asyncio


async def main():
    await asyncio.get_running_loop().create_future()


asyncio.run(main())
