"""What the page opens with: five sentences for a reader of two minutes, made of what its sections say."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from .comparing import opening
from .page import Section

# What pretraining adds, what continued pretraining adds, what each method gives up, what moves and is forgotten, and
# which tricks pay. Of each at most one section gives an interval.
TOPICS = ("pretraining", "continued", "methods", "changes", "tricks")


def opening_answers(sections: Sequence[Section]) -> str:
    """A sentence a topic, with its figures' numbers; a topic that no section speaks to has none."""
    items = []
    for topic in TOPICS:
        speaking = {number: section for number, section in enumerate(sections, start=1) if topic in section.answers}
        if speaking:
            said = opening("; ".join(section.answers[topic] for section in speaking.values()))
            links = " and ".join(
                f'<a href="#{section.name}">{"figure " if number == min(speaking) else ""}{number}</a>'
                for number, section in speaking.items()
            )
            items.append(f"<li>{escape(said)} ({links}).</li>")
    return f'<ul class="answers">{"".join(items)}</ul>\n' if items else ""
