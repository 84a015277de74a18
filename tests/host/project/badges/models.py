"""People who sign in by a number, and have no `__str__`: Django's then gives that number, at which `str()` fails."""

from __future__ import annotations

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models


class GuardManager(BaseUserManager):
    def create_user(self, badge, password=None, **fields):
        guard = self.model(badge=badge, **fields)
        guard.set_password(password)
        guard.save()
        return guard

    def create_superuser(self, badge, password=None, **fields):
        return self.create_user(badge, password, role="staff", is_superuser=True, **fields)


class Guard(AbstractBaseUser, PermissionsMixin):
    badge = models.PositiveIntegerField(unique=True)
    role = models.CharField(max_length=20, blank=True)
    is_active = models.BooleanField(default=True)

    USERNAME_FIELD = "badge"
    objects = GuardManager()

    @property
    def is_staff(self):
        return self.role == "staff"
