"""Stored secrets, the audit trail, and the permissions that belong to the site as a whole."""

from __future__ import annotations

from typing import Any

import pgtrigger
from django.conf import settings
from django.core.validators import RegexValidator
from django.db import connection, models
from django.db.models.functions import Upper
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from automate_governance.governed import Governed, verbs
from automate_governance.people.names import sign_in_name
from automate_governance.people.origin import Source
from automate_governance.redaction.redactor import learn_entered
from automate_governance.secrets.keyring import Envelope, SecretLocation, keyring

AUDIT_LOCK = 7_301_447_150_914  # any constant: the advisory lock under which the chain grows

NAME_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._-]*$"

ERASED = "person.erased"  # the verb of the entries that say what was erased
#: Columns of an entry that can be erased, part by part.
AUDIT_PARTS: dict[Any, tuple[str, ...]] = {
    "actor": ("actor_id", "actor", "address", "system_user", "credential"),
    "content": ("object", "changes", "trace_id"),
}

_NO_TRUNCATE = pgtrigger.Trigger(
    name="no_truncate",
    operation=pgtrigger.Truncate,
    when=pgtrigger.Before,
    level=pgtrigger.Statement,
    func="RAISE EXCEPTION 'the audit trail is append-only';",
)


def _part_rule(part: str, columns: tuple[str, ...]) -> str:
    """SQL: the part stays as it is, or becomes empty with its salt and a mark."""
    now, was = (", ".join(f"{row}.{name}" for name in columns) for row in ("NEW", "OLD"))
    empty = ", ".join("'{}'::jsonb" if name == "changes" else "''" for name in columns)
    return (
        f"((({now}) IS NOT DISTINCT FROM ({was}) AND (NEW.erased ? '{part}') = (OLD.erased ? '{part}'))"
        f" OR (({now}) = ({empty}) AND NEW.erased ? '{part}' AND NOT NEW.salts ? '{part}'))"
    )


# An entry stays as it is, but for an erasure: a part becomes empty, and a new entry of the same transaction, which has
# no link yet, names it. The text stays, but for one of an older version, which holds the values.
_ONLY_ERASURE = f"""
    IF TG_OP = 'UPDATE' THEN
        is_rewritten := OLD.salts = '{{}}'::jsonb AND OLD.erased = '{{}}'::jsonb;
        IF NEW.erased <> OLD.erased AND NEW.erased @> OLD.erased
            AND (NEW.id, NEW.at, NEW.verb, NEW.object_type, NEW.object_id, NEW.source)
                = (OLD.id, OLD.at, OLD.verb, OLD.object_type, OLD.object_id, OLD.source)
            AND {" AND ".join(_part_rule(part, columns) for part, columns in AUDIT_PARTS.items())}
            AND (NEW.erased ? 'canonical') = (OLD.erased ? 'canonical' OR is_rewritten)
            AND (is_rewritten OR (NEW.canonical = OLD.canonical
                AND NEW.salts = OLD.salts - ARRAY(SELECT jsonb_object_keys(NEW.erased))))
            AND NOT EXISTS (
                SELECT FROM jsonb_each(NEW.erased) mark WHERE NOT OLD.erased ? mark.key AND NOT EXISTS (
                    SELECT FROM automate_governance_auditentry erasure
                    WHERE erasure.id = mark.value::bigint AND erasure.verb = '{ERASED}'
                        AND erasure.canonical::jsonb #> '{{facts,entries}}' @> to_jsonb(NEW.id)
                        AND NOT EXISTS (
                            SELECT FROM automate_governance_auditlink link WHERE link.entry_id = erasure.id)))
        THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'the audit trail is append-only';
"""  # noqa: S608 - the only values put in are our own constants

_LINK_AT_COMMIT = f"""
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'audit entries are written in READ COMMITTED transactions only';
    END IF;
    PERFORM pg_advisory_xact_lock({AUDIT_LOCK});
    SELECT position, hash INTO tail FROM automate_governance_auditlink ORDER BY position DESC LIMIT 1;
    INSERT INTO automate_governance_auditlink (position, entry_id, previous, hash) VALUES (
        coalesce(tail.position, 0) + 1, NEW.id, coalesce(tail.hash, ''),
        encode(sha256(convert_to(coalesce(tail.hash, '') || NEW.canonical, 'UTF8')), 'hex')
    );
    RETURN NULL;
"""  # noqa: S608 - the only value put in is our own constant


class SitePermission(models.Model):
    """Permissions on the site itself (operate, administer, audit). It has no table."""

    class Meta:
        verbose_name = _("site permission")
        verbose_name_plural = _("site permissions")
        managed = False
        default_permissions = ()
        permissions = [
            ("operate_site", "Can operate workers and dead jobs"),
            ("administer_site", "Can administer plug-ins, alert rules and retention"),
            ("audit_site", "Can read the audit trail"),
            ("erase_site", "Can find and erase personal data"),
        ]

    def __str__(self) -> str:
        return "site"


class Preferences(models.Model):
    """A person's language and time zone; empty ones are the browser's language and the site's time zone."""

    person = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    language = models.CharField(max_length=20, blank=True)
    time_zone = models.CharField(max_length=64, blank=True)

    class Meta:
        verbose_name = _("preferences")
        verbose_name_plural = _("preferences")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{sign_in_name(self.person)} {self.language} {self.time_zone}"


class PasswordChange(models.Model):
    """A person who must change the password at the next sign-in. `people.password_changes` writes the table."""

    person = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")

    class Meta:
        verbose_name = _("password change")
        verbose_name_plural = _("password changes")
        default_permissions = ()

    def __str__(self) -> str:
        return sign_in_name(self.person)


class StoredSecret(Governed):
    """A named secret, encrypted: `box` by a data key of its own, and that by the key of `key_id` (`wrapped_key`).

    References to it read `database:<name>`.
    """

    name = models.CharField(
        _("name"),
        max_length=100,
        unique=True,
        validators=[RegexValidator(NAME_PATTERN, _("Use letters, digits, dots, hyphens and underscores."))],
    )
    key_id = models.CharField(max_length=16, editable=False)
    wrapped_key = models.BinaryField(editable=False)
    box = models.BinaryField(editable=False)
    version = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    replaced_at = models.DateTimeField(auto_now=True)
    last_used_at = models.DateTimeField(null=True, editable=False)
    lost_at = models.DateTimeField(null=True, editable=False)  # with its key, until a new value is entered

    class Meta:
        verbose_name = _("secret")
        verbose_name_plural = _("secrets")
        ordering = ["name"]
        default_permissions = ()
        permissions = verbs("storedsecret", "add", "use", "replace", "delete")

    def __str__(self) -> str:
        return self.name

    @property
    def reference(self) -> str:
        """The secret reference by which connections and endpoints name it."""
        return f"database:{self.name}"

    @sensitive_variables()
    def put(self, value: str) -> None:
        """Encrypt `value` into this row without saving it; redactors learn it."""
        learn_entered(value)
        if self.pk is None:
            self.pk = _next_row()
        self.version += 1
        self.lost_at = None
        self._take(keyring().seal(value, self._place))

    def reveal(self) -> str:
        """Return the plain value. Raises KeyUnavailableError, or ValueError when the row was altered."""
        value = keyring().open(self._sealed, self._place)
        learn_entered(value)
        return value

    def rewrap(self) -> None:
        """Wrap its data key with the newest key, without saving it. Raises as `reveal` does."""
        self._take(keyring().rewrap(self._sealed, self._place))

    @property
    def _sealed(self) -> Envelope:
        return Envelope(self.key_id, bytes(self.wrapped_key), bytes(self.box))

    @property
    def _place(self) -> SecretLocation:
        return SecretLocation(self._meta.db_table, self.pk, self.name, self.version)

    def _take(self, sealed: Envelope) -> None:
        self.key_id, self.wrapped_key, self.box = sealed.key_id, sealed.wrapped_key, sealed.box


def _next_row() -> int:
    """Return the id of the next row, which is needed before saving: a secret is encrypted for its row."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence(%s, 'id'))", [StoredSecret._meta.db_table])
        [[row]] = cursor.fetchall()
    return int(row)


class StoredSecretUserPermission(UserObjectPermissionBase):
    """A verb on one secret, granted to a person."""

    content_object = models.ForeignKey(StoredSecret, on_delete=models.CASCADE)


class StoredSecretGroupPermission(GroupObjectPermissionBase):
    """A verb on one secret, granted to a group."""

    content_object = models.ForeignKey(StoredSecret, on_delete=models.CASCADE)


class AuditEntry(models.Model):
    """One action of a person or an administrator. Append-only but for erasures; the chain is `AuditLink`.

    Actor and object are text beside their ids, without foreign keys: an entry outlives both. The links are over
    `canonical`, which holds digests of the values (see `audit.content`).
    """

    at = models.DateTimeField(_("time"))
    actor_id = models.CharField(_("person ID"), max_length=64, blank=True)
    actor = models.CharField(_("person"), max_length=200)
    verb = models.CharField(_("action"), max_length=64)
    object_type = models.CharField(_("kind"), max_length=100)
    object_id = models.CharField(_("object ID"), max_length=64)
    object = models.CharField(_("object"), max_length=200)
    changes = models.JSONField(_("changes"), default=dict)
    trace_id = models.CharField(_("trace ID"), max_length=32, blank=True)
    source = models.CharField(  # old entries: none
        _("source"), max_length=10, blank=True, choices=Source, default="", db_default=""
    )
    system_user = models.CharField(_("system user"), max_length=100, blank=True, default="", db_default="")
    credential = models.CharField(_("API token"), max_length=120, blank=True, default="", db_default="")
    address = models.CharField(_("IP address"), max_length=45, blank=True)
    canonical = models.TextField(_("signed content"))
    # By part: the salt of its digest in the text, and once it is erased the id of the entry that says so
    salts = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()), editable=False)
    erased = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()), editable=False)

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        ordering = ["-id"]
        default_permissions = ()
        indexes = [
            models.Index(fields=["object_type", "object_id"]),
            models.Index(Upper("actor"), models.F("id").desc(), name="audit_by_person"),
            models.Index(fields=["verb", "id"], name="audit_by_deed", opclasses=["varchar_pattern_ops", "int8_ops"]),
            models.Index(fields=["at"], name="audit_by_time"),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="append_only",
                operation=pgtrigger.Update | pgtrigger.Delete,
                when=pgtrigger.Before,
                declare=[("is_rewritten", "BOOLEAN")],
                func=_ONLY_ERASURE,
            ),
            _NO_TRUNCATE,
            pgtrigger.Trigger(
                name="link_at_commit",
                operation=pgtrigger.Insert,
                when=pgtrigger.After,
                timing=pgtrigger.Deferred,
                declare=[("tail", "RECORD")],
                func=_LINK_AT_COMMIT,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.verb} {self.object}"

    @property
    def who(self) -> str:
        """Return the person, and the source where it is not a browser: "olga via Command line (deploy)".

        For a request with an API token its name: "olga via API (nightly dat_4f6Kx2Pq)".
        """
        if "actor" in self.erased:
            return gettext("erased")
        if self.source in ("", Source.BROWSER):
            return self.actor
        with_what = self.system_user or self.credential
        as_whom = f" ({with_what})" if with_what else ""
        return gettext("%(person)s via %(source)s") % {
            "person": self.actor,
            "source": f"{Source(self.source).label}{as_whom}",
        }


class SignInCount(models.Model):
    """Sign-in attempts within a time span: of an account (by a hash of its name), from an address, or of both together.

    `sign_in` writes the table and limits its size.
    """

    account = models.CharField(max_length=32, blank=True)
    address = models.CharField(max_length=45, blank=True)
    tries = models.PositiveIntegerField()
    ends_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = _("sign-in count")
        verbose_name_plural = _("sign-in counts")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["account", "address"], name="one_count_of_sign_ins")]

    def __str__(self) -> str:
        return f"{self.tries} tries"


class AuditLink(models.Model):
    """An entry's place in the hash chain, made when its transaction commits."""

    position = models.BigIntegerField(primary_key=True)
    entry = models.OneToOneField(AuditEntry, on_delete=models.DO_NOTHING, related_name="link")
    previous = models.CharField(max_length=64, blank=True, unique=True)
    hash = models.CharField(max_length=64, unique=True)

    class Meta:
        verbose_name = _("audit link")
        verbose_name_plural = _("audit links")
        ordering = ["position"]
        default_permissions = ()
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
            _NO_TRUNCATE,
        ]

    def __str__(self) -> str:
        return f"{self.position}: {self.hash[:12]}"


class AuditVerification(models.Model):
    """The verification of the trail that is in progress, or the last one: how far it is, and what it found.

    `anchor` is the head that the verification before it saw.
    """

    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    position = models.BigIntegerField(default=0)
    hash = models.CharField(max_length=64, blank=True)
    anchor = models.CharField(max_length=64, blank=True)
    found_anchor = models.BooleanField()
    faults = models.JSONField(default=list)

    class Meta:
        verbose_name = _("audit verification")
        verbose_name_plural = _("audit verifications")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M}: {self.position}"
