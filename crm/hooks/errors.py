"""What webhooks out refuse."""

from __future__ import annotations


class HookError(Exception):
    """Base of what webhooks out refuse; the message is a sentence for the person who asked.

    HookError
    ├── UrlRefused        the address is not one that may be used
    ├── HookNotFound      there is no such subscription
    ├── DeliveryNotFound  there is no such delivery
    ├── TooManyHooks      there are as many subscriptions as the settings allow
    └── HookOff           the subscription is switched off, so nothing can be sent
    """

    error_id = "hook-error"


class UrlRefused(HookError):
    """The address may not be used. Nothing was saved."""

    error_id = "url-refused"

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        #: Which rule refused: syntax, scheme, port, inside.
        self.rule = rule


class HookNotFound(HookError):
    """There is no such subscription."""

    error_id = "hook-not-found"


class DeliveryNotFound(HookError):
    """There is no such delivery, or it is too old and was deleted."""

    error_id = "delivery-not-found"


class TooManyHooks(HookError):
    """There are as many subscriptions as the settings allow."""

    error_id = "too-many-hooks"


class HookOff(HookError):
    """The subscription is switched off. Nothing was sent."""

    error_id = "hook-off"
