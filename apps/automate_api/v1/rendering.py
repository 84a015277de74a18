"""How the API writes its answers."""

from __future__ import annotations

import datetime as dt
from typing import Any

from ninja.renderers import JSONRenderer
from ninja.responses import NinjaJSONEncoder

from automate_plugins.typed_values import write_moment


class Encoder(NinjaJSONEncoder):
    """Ninja's, which leaves out the milliseconds of a time on the second."""

    def default(self, o: Any) -> Any:
        return write_moment(o) if isinstance(o, dt.datetime) and o.tzinfo else super().default(o)


class Renderer(JSONRenderer):
    """The renderer of all answers but problems, which have no times."""

    encoder_class = Encoder
