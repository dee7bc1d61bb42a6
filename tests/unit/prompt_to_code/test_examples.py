"""The labelled examples that ship. No example is run here: that is untrusted code's business."""

from __future__ import annotations

import ast
import re
from collections import Counter

import pytest

from liftgraph_dagster.evaluation.dataset import Dataset, Split
from liftgraph_dagster.evaluation.example import Example, read_examples
from liftgraph_dagster.prompt_to_code.demos import DEMOS
from liftgraph_dagster.prompt_to_code.examples import SAMPLE, files
from liftgraph_dagster.prompt_to_code.graph import graph
from liftgraph_dagster.prompt_to_code.outcome import Expected
from liftgraph_dagster.prompt_to_code.types import is_type_hint

WANTED = {Split.TRAIN: 70, Split.DEV: 50, Split.SEALED: 70}


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """All examples. Reading them checks each line and that no id stands twice."""
    return Dataset("prompt_to_code", tuple(read_examples(graph, files())))


def normalised(prompt: str) -> str:
    """Return the words of a prompt: case, punctuation and spaces do not make another one."""
    return " ".join(re.findall(r"\w+", prompt.casefold()))


def label(example: Example) -> Expected:
    return Expected.model_validate(example.expected)


def function(example: Example) -> ast.FunctionDef:
    """Return the definition of the labelled function in the reference code."""
    expected = label(example)
    found = [
        part
        for part in ast.parse(expected.code).body
        if isinstance(part, ast.FunctionDef) and part.name == expected.ir.signature.name
    ]
    assert len(found) == 1, example.id
    return found[0]


def test_the_files_are_those_that_the_graph_names() -> None:
    assert list(graph.examples) == files()


@pytest.mark.parametrize("split", Split)
def test_each_split_is_large_enough(dataset: Dataset, split: Split) -> None:
    assert len(dataset.split(split)) >= WANTED[split]


def test_enough_families_are_sealed(dataset: Dataset) -> None:
    assert len({example.family for example in dataset.split(Split.SEALED)}) >= 20


def test_the_id_of_an_example_names_its_family(dataset: Dataset) -> None:
    wrong = [
        e.id
        for e in dataset.examples
        if not re.fullmatch(rf"{e.family.replace('_', '-')}-\d+", e.id)
    ]

    assert wrong == []


def test_no_prompt_is_there_twice(dataset: Dataset) -> None:
    prompts = Counter(normalised(example.input) for example in dataset.examples)

    assert [prompt for prompt, n in prompts.items() if n > 1] == []


def test_no_prompt_is_one_of_the_demonstrations(dataset: Dataset) -> None:
    shown = {normalised(demo["prompt"]) for demos in DEMOS.values() for demo in demos
             if "prompt" in demo}  # fmt: skip

    assert [e.id for e in dataset.examples if normalised(e.input) in shown] == []


def test_each_example_says_who_labelled_it(dataset: Dataset) -> None:
    unsaid = [e.id for e in dataset.examples if not all(by.who.strip() for by in e.labelled_by)]

    assert unsaid == []


def test_the_reference_code_defines_the_function_with_the_labelled_parameters(
    dataset: Dataset,
) -> None:
    wrong = [
        example.id
        for example in dataset.examples
        if [argument.arg for argument in function(example).args.args]
        != [parameter.name for parameter in label(example).ir.signature.parameters]
    ]

    assert wrong == []


def test_the_reference_code_compiles(dataset: Dataset) -> None:
    for example in dataset.examples:
        compile(label(example).code, example.id, "exec")


def test_each_labelled_type_is_a_type(dataset: Dataset) -> None:
    unknown = [
        (example.id, hint)
        for example in dataset.examples
        for signature in [label(example).ir.signature]
        for hint in [signature.returns, *(p.type_hint for p in signature.parameters)]
        if hint is None or not is_type_hint(hint)
    ]

    assert unknown == []


def test_each_hole_has_fillings_and_each_filling_a_hole(dataset: Dataset) -> None:
    wrong = [
        example.id
        for example in dataset.examples
        for expected in [label(example)]
        if sorted(expected.fillings) != sorted(hole.identifier for hole in expected.ir.holes)
        or not all(expected.fillings.values())
    ]

    assert wrong == []


def test_the_tests_of_an_example_are_calls_of_its_function_in_literals(dataset: Dataset) -> None:
    for example in dataset.examples:
        expected = label(example)
        for test in [*expected.tests, *expected.reference_tests]:
            arguments = ast.literal_eval(test.args)
            if test.returns is not None:
                ast.literal_eval(test.returns)

            assert isinstance(arguments, tuple), example.id
            assert len(arguments) <= len(expected.ir.signature.parameters), example.id


def test_the_assertions_are_expressions(dataset: Dataset) -> None:
    for example in dataset.examples:
        for assertion in label(example).ir.assertions:
            ast.parse(assertion.predicate, mode="eval")


def test_the_sample_is_a_dozen_examples_that_may_be_looked_at(dataset: Dataset) -> None:
    assert len(set(SAMPLE)) == 12
    assert len(dataset.pick(SAMPLE)) == 12
