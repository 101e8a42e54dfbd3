"""Registration: the only way in which a connector comes to be. Its row, its topic, its inbox."""

from chat4all.channels.kit.resource import ChannelConnector
from chat4all.directory.channels import ChannelDirectory, Connector, NoSuchMembersError
from chat4all.directory.port import Directory
from chat4all.log.port import Log, outbound_topic


class Registration:
    """Puts connectors there. The same again changes nothing."""

    def __init__(self, *, log: Log, directory: Directory, channels: ChannelDirectory) -> None:
        self._log = log
        self._directory = directory
        self._channels = channels

    async def put(self, uid: str, resource: ChannelConnector, *, managed_by: str) -> Connector:
        """Register it, or what has changed of it.

        Raises NoSuchMembersError, AlreadyThereError (another uid has its name), EngineUnavailableError.
        """
        members = resource.spec.inbox.members
        known = await self._directory.users(members)
        if unknown := [one for one in members if one not in known]:
            raise NoSuchMembersError(unknown)
        connector = Connector(
            uid=uid,
            name=resource.id,
            channel=resource.spec.channel,
            managed_by=managed_by,
            spec=resource.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True),
        )
        await self._log.create([outbound_topic(resource.id)])
        await self._channels.put_connector(connector)
        return await self._channels.connector(uid) or connector
