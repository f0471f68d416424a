"""The first administrator: there are no default credentials, so somebody has to be let in (threat LG-1)."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from firstboot.config import AdminConfig
from firstboot.errors import AlreadyExists, NotFound, StartRefused
from firstboot.model import DEFAULT_TENANT, Authority
from firstboot.secret import Secret, random_text
from firstboot.storage import PageQuery, Storage
from firstboot.users import UserService

logger = logging.getLogger(__name__)

FILE_NAME = "admin-password"
PASSWORD_LENGTH = 22
"""22 of 62 characters: 130 bits."""
_PAGE_SIZE = 100


async def ensure_administrator(storage: Storage, users: UserService, config: AdminConfig, data_dir: Path) -> None:
    """Make an administrator of the tenant ``default`` if it has none.

    Raises: `StartRefused` when the address belongs to somebody else, or the password cannot be kept.
    """
    tenant = await storage.find_tenant(DEFAULT_TENANT)
    if tenant is None:
        raise NotFound(f"There is no tenant named {DEFAULT_TENANT!r}.")
    if await _has_administrator(storage, tenant.id):
        return
    file = None if config.password is not None else data_dir / FILE_NAME
    password = config.password or Secret(random_text(PASSWORD_LENGTH))
    if file is not None:  # before the user: a password that nobody knows would let nobody in
        _keep(file, password)
    try:
        await users.create(
            tenant.id,
            email=config.email,
            authority=Authority.TENANT_ADMIN,
            password=password,
            must_change=file is not None,
            actor="first-start",
        )
    except AlreadyExists:
        if file is not None:
            file.unlink(missing_ok=True)
        if await _has_administrator(storage, tenant.id):  # another server was faster
            return
        raise StartRefused(
            f"admin.email: {config.email} belongs to a user who is no administrator of the tenant "
            f"{DEFAULT_TENANT!r}, which has none. Give another address."
        ) from None
    logger.info(
        "the first administrator was made",
        extra={"email": config.email, "password_in": str(file) if file is not None else "the configuration"},
    )


async def _has_administrator(storage: Storage, tenant_id: int) -> bool:
    number = 0
    while True:
        # The first one is among the oldest users.
        page = await storage.page_users(tenant_id, PageQuery(page=number, page_size=_PAGE_SIZE))
        if any(user.authority is Authority.TENANT_ADMIN for user in page.rows):
            return True
        number += 1
        if number * _PAGE_SIZE >= page.total:
            return False


def _keep(file: Path, password: Secret) -> None:
    """Write the password, readable by the owner only."""
    try:
        file.unlink(missing_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(password.reveal() + "\n")
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise StartRefused(
            f"The first administrator's password cannot be kept in {file}: {error.strerror}. "
            "Set FIRSTBOOT_ADMIN__PASSWORD, or mend the folder."
        ) from None
