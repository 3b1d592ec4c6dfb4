from .base import BaseConfigFlow

__all__ = ["BaseConfigFlow"]
