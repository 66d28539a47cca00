"""Between looking ahead and acting: what components of publishers make is what policies were shown, or nothing."""

from dataclasses import replace

from catalog.errors import SlipwayError
from workers.engine import ComponentProgram, PreviewResult, ResourceOperation, StackRequest

_CHANGES = frozenset({ResourceOperation.CREATE, ResourceOperation.UPDATE, ResourceOperation.REPLACE})


class NotForeseenError(SlipwayError):
    """Policies look at what would be made, and it cannot be said beforehand; nothing was changed."""

    code = "plan_incomplete"
    status = 422
    title = "What would be made cannot be said"


def held_to(request: StackRequest, preview: PreviewResult) -> StackRequest:
    """Return the request with its components held to what they showed; what is not among that is refused.

    Raises ``NotForeseenError`` where one of them could not show it, as it takes what is not known yet.
    """
    if preview.incomplete:
        names = ", ".join(sorted(preview.incomplete))
        raise NotForeseenError(
            f"Policies look at what would be made, and what {names} would make is not known before something else is "
            "there. Give it inputs that are known beforehand, or have the policies not read the plan."
        )

    def held(component: ComponentProgram) -> ComponentProgram:
        return replace(component, foreseen=tuple(preview.shown.get(component.name, ())))

    program = request.program
    whole = None if program.component is None else held(program.component)
    return replace(request, program=replace(program, component=whole, parts=tuple(map(held, program.parts))))


def held_asleep(request: StackRequest, preview: PreviewResult) -> StackRequest:
    """Return the request held to a preview in which components change nothing; policies are not asked about sleep.

    Raises ``NotForeseenError`` where one would. What the target itself makes anew is named in the program.
    """
    own = {(each.type, each.name) for each in request.program.resources}
    for each in preview.changes:
        if each.operation in _CHANGES and (each.type, each.name) not in own:
            raise NotForeseenError(
                f"While it goes to sleep, {each.name} would change ({each.operation}), and policies that look at such "
                "changes are not asked about sleep. Have its component make the same whenever it is run."
            )
    return held_to(request, preview)
