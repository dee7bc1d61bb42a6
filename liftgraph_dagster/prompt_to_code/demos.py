"""Hand-written demonstrations: the program `baseline`.

None of these prompts, nor one like it, is among the labelled examples.
"""

from __future__ import annotations

from typing import Any

_SQUARE = "Square a number."
_SHOUT = "Turn a text into capital letters and put an exclamation mark at its end."
_AVERAGE = "What is the average of a list of numbers?"
_SHARE = "Share a bill between some people and round what each one pays."

DEMOS: dict[str, list[dict[str, Any]]] = {
    "ExtractIntent": [
        {"prompt": _SQUARE, "summary": "Return the square of a number.", "open_points": []},
        {
            "prompt": _SHARE,
            "summary": "Return what each person pays of a bill, rounded.",
            "open_points": [
                {
                    "identifier": "digits",
                    "type_hint": "int",
                    "question": "How many decimal places to keep?",
                }
            ],
        },
        {
            "prompt": _SHOUT,
            "summary": "Return the text in capital letters with an exclamation mark.",
            "open_points": [],
        },
    ],
    "DraftSignature": [
        {
            "prompt": _SQUARE,
            "function_name": "square",
            "parameters": [{"name": "number", "type_hint": "float"}],
            "returns": "float",
        },
        {
            "prompt": _SHOUT,
            "function_name": "shout",
            "parameters": [{"name": "text", "type_hint": "str"}],
            "returns": "str",
        },
        {
            "prompt": _AVERAGE,
            "function_name": "average",
            "parameters": [{"name": "numbers", "type_hint": "list[float]"}],
            "returns": "float",
        },
        {
            "prompt": _SHARE,
            "function_name": "share_bill",
            "parameters": [
                {"name": "bill", "type_hint": "float"},
                {"name": "people", "type_hint": "int"},
            ],
            "returns": "float",
        },
    ],
    "DraftAssertions": [
        {
            "prompt": _SQUARE,
            "summary": "Return the square of a number.",
            "assertions": ["result >= 0", "result == number * number"],
        },
        {
            "prompt": _AVERAGE,
            "summary": "Return the average of the numbers.",
            "assertions": ["min(numbers) <= result <= max(numbers)"],
        },
        {
            "prompt": _SHOUT,
            "summary": "Return the text in capital letters with an exclamation mark.",
            "assertions": ["result.endswith('!')", "len(result) == len(text) + 1"],
        },
    ],
    "DraftEffects": [
        {"prompt": _SQUARE, "summary": "Return the square of a number.", "effects": []},
        {
            "prompt": _AVERAGE,
            "summary": "Return the average of the numbers.",
            "effects": ["raises ZeroDivisionError when numbers is empty"],
        },
        {
            "prompt": _SHOUT,
            "summary": "Return the text in capital letters with an exclamation mark.",
            "effects": [],
        },
    ],
    "SuggestHoles": [
        {
            "prompt": _SHARE,
            "holes": ["digits (int): How many decimal places to keep?"],
            "suggestions": [{"identifier": "digits", "values": ["2", "0"]}],
        },
        {
            "prompt": _SHOUT,
            "holes": ["text_type (type): Which type does the parameter text have?"],
            "suggestions": [{"identifier": "text_type", "values": ["str"]}],
        },
    ],
    "GenerateCode": [
        {
            "summary": "Return the square of a number.",
            "header": "def square(number: float) -> float:",
            "choices": [],
            "body": ["return number * number"],
        },
        {
            "summary": "Return the average of the numbers.",
            "header": "def average(numbers: list[float]) -> float:",
            "choices": [],
            "body": ["return sum(numbers) / len(numbers)"],
        },
        {
            "summary": "Return what each person pays of a bill, rounded.",
            "header": "def share_bill(bill: float, people: int) -> float:",
            "choices": ["digits = 2"],
            "body": ["return round(bill / people, 2)"],
        },
        {
            "summary": "Return the words that are longer than a limit.",
            "header": "def long_words(words: list[str], limit: int) -> list[str]:",
            "choices": [],
            "body": [
                "found = []",
                "for word in words:",
                "    if len(word) > limit:",
                "        found.append(word)",
                "return found",
            ],
        },
    ],
}
