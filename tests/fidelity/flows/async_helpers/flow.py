import asyncio

from metaflow import FlowSpec, step


async def fetch(name, delay):
    await asyncio.sleep(delay)
    return name.upper()


async def fetch_all(names):
    return await asyncio.gather(*(fetch(name, 0.001 * place) for place, name in enumerate(names)))


class AsyncHelpersFlow(FlowSpec):
    @step
    def start(self):
        self.names = ["a", "b", "c"]
        self.fetched = list(asyncio.run(fetch_all(self.names)))
        self.next(self.end)

    @step
    def end(self):
        async def count():
            found = []
            async for letter in self.letters():
                found.append(letter)
            return len(found)

        self.count = asyncio.run(count())

    async def letters(self):
        for name in self.fetched:
            yield name


if __name__ == "__main__":
    AsyncHelpersFlow()
