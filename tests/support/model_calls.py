"""Calls of the connector of the host's models, as the engine makes them."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import Permission, User

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.models import ModelsConnector
from automate_connectors.invocation import invoke
from automate_testing.fakes import context

CONSTRAINTS = 2  #: statements of each call that check the deferred constraints


def call(action, user, **params):
    adapter = ModelsConnector()
    return json.loads(invoke(adapter, adapter.action(action), params, context(user=user)))


def refused(action, user, **params):
    with pytest.raises(ConnectorError) as caught:
        call(action, user, **params)
    return caught.value


def grant(user, *codenames):
    user.user_permissions.add(*Permission.objects.filter(codename__in=codenames))
    return User.objects.get(pk=user.pk)  # without what was remembered of its permissions
