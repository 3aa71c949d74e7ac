"""The one rule that history has to keep: it comes first. Nothing else about it is judged (`Source.ADOPTION`).

What is adopted of a feature is appended in one piece, beginning with the feature's own stream. An event that calls
itself history anywhere else would be a way past every validator.
"""

from __future__ import annotations

from kitty_guardian.errors import TransitionRefusedError
from kitty_guardian.model.events import Category, Event, Source, category_of, subject_of


class History:
    """Follows events in the order of their positions."""

    def __init__(self) -> None:
        self._feature = ""
        self._stream = ""
        self._position = 0

    def check(self, event: Event) -> None:
        """Look at the next event, at its place; one that is no history is none of its business.

        Raises:
            TransitionRefusedError: It calls itself history and does not come first.
        """
        if event.metadata.get("source") != Source.ADOPTION:
            return
        if event.stream == self._stream and event.position == self._position + 1:
            self._position = event.position  # it goes on in the same stream
            return
        feature, work_package = subject_of(event.stream)
        begins = category_of(event.stream) == Category.FEATURE and event.version == 0 and not work_package
        goes_on = feature == self._feature and event.position == self._position + 1
        if not feature or not (begins or goes_on):
            raise TransitionRefusedError(
                f"{event.event_type} in {event.stream} calls itself history, and {feature or 'that'} has one already",
                gate="adoption",
                hint="spec-kitty events list",
            )
        self._feature, self._stream, self._position = feature, event.stream, event.position
