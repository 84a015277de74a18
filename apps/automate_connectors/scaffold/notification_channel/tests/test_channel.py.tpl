"""The contract tests of notification channels."""

from automate_testing.contracts import NotificationChannelContractTest
from $name.channel import $class_name


class Test$class_name(NotificationChannelContractTest):
    channel_cls = $class_name
    config = {"url": "https://$distribution.example.com/messages", "token": "any"}
