"""Enough of PromQL to say what an expression names, and that its brackets are closed."""

import re

__all__ = ["labels", "names", "unbalanced"]

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTOR = re.compile(r"\{[^{}]*\}")
_WINDOW = re.compile(r"\[[^\[\]]*\]")
_BY = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*(?:\([^()]*\))?")
_WORD = re.compile(r"(?<![\w:])[a-zA-Z_:][\w:]*(?![\w:]|\s*\()")
_OPERATORS = {"and", "or", "unless", "bool", "offset"}
_PAIRS = {")": "(", "]": "[", "}": "{"}


def names(expression: str) -> set[str]:
    """The metrics and recorded series that it reads."""
    text = _BY.sub(" ", _WINDOW.sub(" ", _SELECTOR.sub(" ", _STRING.sub("", expression))))
    return set(_WORD.findall(text)) - _OPERATORS


def labels(expression: str) -> set[tuple[str, str]]:
    """Metric and label, for all that it selects by."""
    found = re.findall(r"([a-zA-Z_:][\w:]*)\{([^{}]*)\}", expression)
    return {(metric, label) for metric, inside in found for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", inside)}


def unbalanced(expression: str) -> bool:
    opened: list[str] = []
    for letter in _STRING.sub("", expression):
        if letter in "([{":
            opened.append(letter)
        elif letter in _PAIRS and (not opened or opened.pop() != _PAIRS[letter]):
            return True
    return bool(opened) or expression.count('"') % 2 == 1
