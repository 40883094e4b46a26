"""Asking somebody else about comments: a model in this process, or a service over HTTP.

A `Classifier` says allow, hold or reject of each of some comments. A `Panel` asks it for `moderate`, with a
deadline and a declared answer for when it is late; the order of comments stays, whoever answers when.
"""

from agents.classifiers.base import Classifier, ClassifierError, Subject
from agents.classifiers.panel import Panel, open_panel

__all__ = ["Classifier", "ClassifierError", "Panel", "Subject", "open_panel"]
