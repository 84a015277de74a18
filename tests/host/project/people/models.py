"""People as a project may have them: they sign in by e-mail, have UUID keys, and no names, nor columns for flags."""

from __future__ import annotations

import uuid

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models


class ClerkManager(BaseUserManager):
    def create_user(self, mail, password=None, **fields):
        clerk = self.model(mail=self.normalize_email(mail), **fields)
        clerk.set_password(password)
        clerk.save()
        return clerk

    def create_superuser(self, mail, password=None, **fields):
        return self.create_user(mail, password, role="staff", is_superuser=True, **fields)


class Clerk(AbstractBaseUser, PermissionsMixin):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    mail = models.EmailField(unique=True)
    role = models.CharField(max_length=20, blank=True)
    is_active = models.BooleanField(default=True)

    USERNAME_FIELD = "mail"
    EMAIL_FIELD = "mail"
    objects = ClerkManager()

    @property
    def is_staff(self):
        return self.role == "staff"
