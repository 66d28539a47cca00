"""What can be wrong with a resolution."""

from collections.abc import Sequence

from catalog.assets.resolver.lock import Cause
from catalog.errors import FieldError, InvalidInputError


class ResolutionRefusedError(InvalidInputError):
    """No versions satisfy everything at once; ``causes`` are the requirements that contradict each other."""

    code = "unresolvable"
    title = "The dependencies cannot be resolved"

    def __init__(self, detail: str, causes: Sequence[Cause], errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail, errors)
        self.causes = tuple(causes)
