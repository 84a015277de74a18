"""The contract tests of signature schemes."""

from automate_testing.contracts import SignatureSchemeContractTest
from $name.scheme import $class_name


class Test$class_name(SignatureSchemeContractTest):
    scheme_cls = $class_name

    def test_type_and_key(self, scheme):
        payload = {"id": "7", "type": "order.paid"}
        assert scheme.event_type({}, payload) == "order.paid"
        assert scheme.delivery_key(self.deliver(scheme, "s" * 32, b"{}"), payload) == "7"
