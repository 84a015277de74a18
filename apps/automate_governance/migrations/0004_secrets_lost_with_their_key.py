from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("automate_governance", "0003_counts_of_sign_ins")]

    operations = [
        migrations.AddField(
            model_name="storedsecret",
            name="lost_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
    ]
