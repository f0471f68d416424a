from firstboot.hookspecs import hookimpl
from firstboot.testing.memory import MemoryStorage


class Backend:
    schemes = ("memory",)

    async def open(self, url):
        return MemoryStorage()


class Plugin:
    FIRSTBOOT_API = 1

    @hookimpl
    def firstboot_storage_backends(self):
        return [Backend()]
