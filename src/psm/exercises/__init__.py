"""Exercises that check themselves: `check("p1.1", answer)` says whether an answer is right and, where not, what to look at again.

Each chapter's exercises stand in a module of its name. What a check holds an answer against is computed from the world
or from given numbers, never from a run of the book, so that an exercise is the same whatever the book's experiments show.
"""

from __future__ import annotations

from psm.exercises.core import Exercise, Feedback, Wrong, check, exercises_of

__all__ = ["Exercise", "Feedback", "Wrong", "check", "exercises_of"]
