"""What a report says of a kernel beside its initializer: what was assumed, and what may undo it.

Here belong the words, and who is held to no size. What a kernel gets is `plan`'s matter.
"""

from __future__ import annotations

from collections.abc import Sequence

from keras_oddsig.tailoring.choice import Fitting
from keras_oddsig.tailoring.places import Place


def qualify(
    fitting: Fitting,
    place: Place,
    read: Sequence[Place],
    few: bool,
    measured: bool,
    depth: int | None,
) -> None:
    """Says of a kernel that has its initializer what may keep its signal from being well.

    Args:
        fitting: Of the kernel.
        place: Where it stands.
        read: Those of the kernels behind whose outputs it stands.
        few: Whether it is part of a function of few inputs.
        measured: Whether what it reads was measured, if that is data.
        depth: That which a user wants for all kernels, or None.
    """
    if place.rated or place.begins:
        fitting.goal = None  # its rate is measured, whatever comes
    if few:
        fitting.goal = None  # it is made for derivatives, not for a spread
    reads_data = place.first and not place.begins and fitting.kernel.role != "recurrent"
    if reads_data and not measured and "assumed" not in fitting.reason:
        fitting.say("an input of root mean square 1 is assumed")
    if place.mixed:
        fitting.goal = None  # its first call is not like the others
        fitting.say("called on data and on activations, and made for these")
    if fitting.depth is not None and fitting.depth == depth and depth < place.depth:
        # For a depth of 1 the gain is 3.3 (tanh): half of the second layer's units are saturated.
        fitting.say(f"made for a depth of {depth}, as asked, in a chain of {place.depth}")
    others = [each.other for each in read if each.other]
    mean_stays = fitting.inputs is None or fitting.inputs.mean is None
    if others and place.activation is not None and mean_stays:
        fitting.say(f"behind {others[0]}, whose output may have a mean that all samples share")
    name = f"{fitting.kernel.attribute}_constraint"
    if getattr(fitting.kernel.layer, name, None) is not None:
        fitting.say("its constraint may undo this at the first step of training")
