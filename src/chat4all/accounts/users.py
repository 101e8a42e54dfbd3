"""Logs users in, and creates, changes and finds them."""

from chat4all.accounts.passwords import Passwords
from chat4all.accounts.settings import AccountsSettings, RegistrationPolicy
from chat4all.accounts.tokens import Identity, Tokens
from chat4all.directory.port import AlreadyThereError, Directory, Role, User
from chat4all.limits.port import Limits
from chat4all.model.errors import FieldError, Refusal
from chat4all.model.rates import Rate


class Users:
    """Does what people and admins ask about users. Every method raises Refusal and EngineUnavailableError."""

    def __init__(
        self,
        *,
        directory: Directory,
        limits: Limits,
        passwords: Passwords,
        tokens: Tokens,
        settings: AccountsSettings,
    ) -> None:
        self._directory = directory
        self._limits = limits
        self._passwords = passwords
        self._tokens = tokens
        self._settings = settings

    async def log_in(self, username: str, password: str) -> str:
        """Return a token. Tries are limited per username, whether there is such a user or not."""
        rate = Rate(self._settings.logins_per_minute / 60, self._settings.login_burst)
        if wait := await self._limits.take(f"login:{username}", rate):
            raise Refusal("too-many", "Too many login tries for this user.", retry_after=wait)
        user = await self._directory.user(username)
        if not await self._passwords.fits(password, user.password_hash if user else None) or user is None:
            raise Refusal("wrong-password", "Unknown user or wrong password.")
        return self._tokens.issue(user.username, user.role)

    async def register(self, actor: Identity | None, user: User, password: str) -> User:
        """Create a user. Anyone may create plain users where registration is open; admins may create any."""
        admin = actor is not None and actor.role is Role.ADMIN
        if not admin and self._settings.registration is not RegistrationPolicy.OPEN:
            raise Refusal("forbidden", "Only admins make users here.")
        if not admin and user.role is not Role.USER:
            raise Refusal("forbidden", "Only admins make users of this role.")
        new = User(
            username=user.username,
            role=user.role,
            email=user.email,
            password_hash=await self._passwords.hash(password),
        )
        try:
            await self._directory.add_user(new)
        except AlreadyThereError as error:
            fields = (FieldError("username", "This name is taken."),)
            raise Refusal("conflict", f"There is already a user {user.username}.", errors=fields) from error
        return new

    async def change(self, actor: Identity, username: str, role: Role | None, password: str | None) -> User:
        """Change a user's role or password, as admins may. It holds from the user's next login on."""
        if actor.role is not Role.ADMIN:
            raise Refusal("forbidden", "Only admins change users.")
        password_hash = await self._passwords.hash(password) if password is not None else None
        user = await self._directory.change_user(username, role=role, password_hash=password_hash)
        if user is None:
            raise Refusal("not-found", "There is no such user.")
        return user

    async def find(self, actor: Identity, query: str, *, after: str, limit: int) -> list[User]:
        """Return users by name: agents and admins find by its beginning, others by the whole name."""
        if actor.role in (Role.AGENT, Role.ADMIN):
            return await self._directory.find_users(query, after=after, limit=limit)
        user = await self._directory.user(query)
        return [user] if user and user.username > after else []
