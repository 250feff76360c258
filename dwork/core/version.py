"""The version of dwork, defined only here."""

__version__ = "0.1.0"
