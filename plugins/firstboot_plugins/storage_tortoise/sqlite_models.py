"""The models with which SQLite is read; Tortoise imports this by its name."""

from firstboot_plugins.storage_tortoise.models import Models

MODELS = Models()
__models__ = MODELS.all()
