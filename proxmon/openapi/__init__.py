"""The OpenAPI description of the HTTP routes: what is asked for, by whom, and every answer there can be."""

from proxmon.openapi.description import describe

__all__ = ["describe"]
