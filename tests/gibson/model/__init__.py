"""A Gibson server to compare with: the protocol's rules written down as plainly as Python allows.

`Model` is the rules without sockets or time of their own: bytes of a request in, bytes of a reply out, at the time
that it is told. It keeps everything in a dictionary and sorts whenever order matters.

Where the original has a defect, the model has the intended behaviour; where it has a habit that clients can see, it
keeps the habit, and the comment says so.
"""

from .model import Model
from .settings import Settings

__all__ = ["Model", "Settings"]
