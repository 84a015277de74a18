"""The contract tests of expression filters."""

from automate_testing.contracts import ExpressionFilterContractTest, FilterCase
from $name.filter import $class_name


class Test$class_name(ExpressionFilterContractTest):
    filter_cls = $class_name
    cases = (FilterCase("ab", "abab", (2,)), FilterCase("ab", "ab"))
