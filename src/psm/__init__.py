"""The shared package of the executable report on the Persona Selection Model."""

__version__ = "0.2.0"
