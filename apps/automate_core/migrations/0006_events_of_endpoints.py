"""Events belong to the endpoint that took them, not to its address, which another one may have later."""

from django.db import migrations, models

# An address says whose an event is as long as the endpoint that has it is older than the event. An earlier one's events
# are nobody's any more, each address' under a key of its own that no endpoint can have.
OF_PRESENT = """
UPDATE automate_core_event event SET endpoint_id = endpoint.id
FROM automate_core_webhookendpoint endpoint
WHERE event.endpoint_id = 0 AND event.source = 'webhook:' || endpoint.slug AND event.received_at >= endpoint.created_at
"""
OF_GONE = """
UPDATE automate_core_event event SET endpoint_id = -gone.number
FROM (
    SELECT source, row_number() OVER (ORDER BY source) AS number
    FROM (SELECT DISTINCT source FROM automate_core_event WHERE endpoint_id = 0 AND source LIKE 'webhook:%') named
) gone
WHERE event.endpoint_id = 0 AND event.source = gone.source
"""


class Migration(migrations.Migration):
    dependencies = [("automate_core", "0005_reruns_on_their_originals")]

    operations = [
        migrations.RemoveConstraint(model_name="event", name="one_event_per_delivery"),
        migrations.AddField(
            model_name="event", name="endpoint_id", field=models.BigIntegerField(default=0, db_default=0)
        ),
        migrations.RunSQL([OF_PRESENT, OF_GONE], migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name="event",
            constraint=models.UniqueConstraint(
                fields=["source", "delivery_key", "endpoint_id"], name="one_event_per_delivery_to"
            ),
        ),
        migrations.RemoveIndex(model_name="event", name="events_of_source"),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                fields=["source", "id"], condition=models.Q(endpoint_id=0), name="events_of_plain_source"
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                fields=["endpoint_id", "id"], condition=~models.Q(endpoint_id=0), name="events_of_endpoint"
            ),
        ),
    ]
