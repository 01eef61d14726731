from django.db import migrations, models


def open_the_first(apps, schema_editor):
    apps.get_model("arcade", "Season").objects.using(schema_editor.connection.alias).create(number=1)


class Migration(migrations.Migration):
    dependencies = [("arcade", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="Season",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("fence", models.BigIntegerField(default=0, editable=False)),
                ("number", models.PositiveIntegerField(unique=True)),
                ("began_at", models.DateTimeField(null=True)),
                ("closed_at", models.DateTimeField(null=True)),
                ("closed_by", models.CharField(blank=True, max_length=150)),
                ("champions", models.JSONField(default=list)),
            ],
        ),
        migrations.RunPython(open_the_first, migrations.RunPython.noop),
    ]
