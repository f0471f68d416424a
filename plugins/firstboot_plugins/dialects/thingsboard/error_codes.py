"""ThingsBoard's numbers of errors (contract 5.2), for devices and administrators alike."""

GENERAL = 2
AUTHENTICATION = 10
TOKEN_EXPIRED = 11
PERMISSION_DENIED = 20
BAD_ARGUMENTS = 31
ITEM_NOT_FOUND = 32
TOO_MANY_REQUESTS = 33
VERSION_CONFLICT = 35
ENTITY_LIMIT = 41

TRY_LATER = "The server cannot decide now; try again later!"
"""What is told of everything that is no fault of whoever asks."""
