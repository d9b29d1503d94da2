"""An operator in one file: each Greeting gets a ConfigMap of its name, and its status says what that shows.

python -m examples.greeting crd | kubectl apply -f -   # tells the cluster what a Greeting is
python -m examples.greeting                            # runs until SIGTERM; of several, one leads
"""

import asyncio
import sys
from typing import ClassVar

import controller_runtime as cr
from controller_runtime.controllergen import custom_resource_definition, to_yaml


class GreetingSpec(cr.APIStruct, frozen=True):
    text: str


class GreetingStatus(cr.APIStruct, frozen=True):
    shown: str = ""


class Greeting(cr.Object, frozen=True, kw_only=True):
    resource: ClassVar = cr.Resource("example.com", "v1", "Greeting", "greetings")
    spec: GreetingSpec
    status: GreetingStatus = GreetingStatus()


class ConfigMap(cr.Object, frozen=True, kw_only=True):  # Kubernetes' own kinds: as many fields as one needs
    resource: ClassVar = cr.Resource("", "v1", "ConfigMap", "configmaps")
    data: dict[str, str] = {}


class GreetingReconciler:
    def __init__(self, manager: cr.Manager) -> None:
        self.client, self.cache = manager.client, manager.cache

    async def reconcile(self, request: cr.Request) -> None:
        greeting = self.cache.get(Greeting, request)
        if greeting is None:
            return  # deleted, and its ConfigMap with it: the garbage collector goes by owner references
        identity = cr.ObjectMeta(namespace=request.namespace, name=request.name)
        wish = ConfigMap(metadata=identity, data={"text": greeting.spec.text})
        wish = cr.set_controller_reference(greeting, wish)
        shown = self.cache.get(ConfigMap, request)
        if shown is None or shown.data != wish.data or shown.controller_owner != wish.controller_owner:
            shown = await self.client.apply(ConfigMap, request, wish, field_owner="greeting", force=True)
        if greeting.status.shown != shown.data["text"]:
            status = {"status": {"shown": shown.data["text"]}}
            await self.client.status.patch(Greeting, request, status)


async def main() -> None:
    transport = cr.AiohttpTransport(await cr.load_config())
    manager = cr.Manager(transport, leader_election=cr.LeaderElection(name="greeting", namespace="default"))
    cr.ControllerBuilder(manager).for_(Greeting).owns(ConfigMap).complete(GreetingReconciler(manager))
    await cr.run_until_signal(manager.start())


if __name__ == "__main__":
    if sys.argv[1:] == ["crd"]:
        print(to_yaml(custom_resource_definition(Greeting)), end="")
    else:
        asyncio.run(main())
